"""What ``atlas-endpoints check`` says of each thing that can be wrong: the exit code, the finding, and what was well before."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from support.atlas import CLIENT_SECRET, READ_ONLY_CLIENT_ID, Atlas
from support.checking import ACCEPTED, CANARY, READS, Check, Checker

if TYPE_CHECKING:
    from collections.abc import Callable

    from control_plane import ControlPlane
    from support.atlas import Place
    from support.resources import Resources


def _refused_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


UNREACHABLE: dict[str, tuple[Callable[[Atlas, ControlPlane], str], str]] = {
    "nobody listens": (lambda _, __: _refused_port(), "ATLAS_ENDPOINTS_ATLAS_URL"),
    "no TLS is spoken": (lambda atlas, _: atlas.url.replace("http:", "https:"), "TLS"),
    "a certificate is not trusted": (lambda _, control_plane: control_plane.url, "SSL_CERT_FILE"),
    "the name is not known": (lambda _, __: "https://atlas.invalid", "DNS"),
    "something else answers": (lambda atlas, _: f"{atlas.url}/_simulator", "prox"),
}


@pytest.mark.parametrize("where", UNREACHABLE)
def test_an_atlas_that_is_not_reached_fails_with_the_cause_and_nothing_else_is_asked(  # noqa: PLR0917  # fixtures
    where: str,
    check: Check,
    resources: Resources,
    place: Place,
    atlas: Atlas,
    control_plane: ControlPlane,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resources.create("orders", place.spec())
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    url, says = UNREACHABLE[where]

    checked = check("--atlas-url", url(atlas, control_plane))

    assert checked.code == 1
    checked.contains("failed", says)
    assert len(checked.lines("failed")) == len(checked.lines("skipped")) == 1
    assert not [line for line in checked.output.splitlines() if line.startswith("Project")]


def _account(**how: object) -> Callable[[Resources, Atlas, Place], object]:
    return lambda resources, atlas, place: resources.secret(data=atlas.put_account(place, **how))  # type: ignore[arg-type]


FAULTS: dict[str, tuple[Callable[[Resources, Atlas, Place], object], str, str]] = {
    "a wrong secret": (
        lambda resources, atlas, place: resources.secret(data={**atlas.put_account(place), "clientSecret": CANARY}),
        "credentials",
        "",
    ),
    "a wrong API key": (
        lambda resources, atlas, place: resources.secret(
            data={**atlas.put_api_key(place), "privateApiKey": "89abcdef-89ab-cdef-0123-456789abcdef"}
        ),
        "credentials",
        "",
    ),
    "no Secret": (lambda resources, *_: resources.delete_secret(), "atlas-credentials", ""),
    "a Secret of no use": (
        lambda resources, *_: resources.secret(data={"clientid": "mdb_sa_id_5f7cac1adf5d6c6306f4b299"}),
        "clientId",
        "",
    ),
    "an access list": (_account(access_list=["192.0.2.0/24"]), "127.0.0.1", ""),
    "a foreign project": (_account(role=None), "project", ACCEPTED),
    "a role that may only read": (
        lambda resources, *_: resources.secret(data={"clientId": READ_ONLY_CLIENT_ID, "clientSecret": CLIENT_SECRET}),
        "Project Owner",
        READS,
    ),
    "an upgrade of Atlas": (
        lambda _, atlas, place: atlas.fail(
            place, method="PATCH", status=405, errorCode="WRITES_NOT_ALLOWED_DURING_APP_UPGRADES"
        ),
        "HTTP 405",
        READS,
    ),
    "a rate limit": (
        lambda _, atlas, place: atlas.fail(place, status=429, headers={"Retry-After": "1"}),
        "HTTP 429",
        "",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_fails_with_its_remedy(
    fault: str, check: Check, resources: Resources, place: Place, atlas: Atlas
) -> None:
    prepare, says, well = FAULTS[fault]
    prepare(resources, atlas, place)
    resources.create("orders", place.spec())

    checked = check()

    assert checked.code == 1
    checked.contains("failed", says)
    assert len(checked.lines("failed")) == 1
    assert not well or checked.contains("ok", well)


def test_credentials_that_may_not_list_are_reported(
    control_plane: ControlPlane,
    atlas: Atlas,
    resources: Resources,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    control_plane.kubectl("create", "serviceaccount", "stranger", f"--namespace={resources.namespace}")
    kubeconfig = control_plane.kubeconfig_for(resources.namespace, "stranger")
    stranger = Checker(control_plane, atlas, kubeconfig, f"system:serviceaccount:{resources.namespace}:stranger")

    listed = stranger.check(monkeypatch, capsys)
    read = stranger.check(monkeypatch, capsys, "--secret", f"{resources.namespace}/atlas-credentials")

    assert listed.code == read.code == 1
    listed.contains("failed", "403 Forbidden", "cannot list resource")
    read.contains("failed", "Secret atlas-credentials", "the verb get")
    listed.contains("ok", "Atlas answers (")
