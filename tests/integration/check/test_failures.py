"""What ``atlas-endpoints check`` says of each thing that can be wrong: the exit code, the sentence, and what was well before."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from support.atlas import CLIENT_SECRET, READ_ONLY_CLIENT_ID, Atlas, place
from support.checking import ACCEPTED, CANARY, READS, Check, Checker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from control_plane import ControlPlane
    from support.atlas import Place
    from support.resources import Resources


def _refused_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("nobody listens", "Atlas cannot be reached; check ATLAS_ENDPOINTS_ATLAS_URL"),
        ("no TLS is spoken", "TLS to Atlas failed."),
        ("a certificate is not trusted", "trust its certificate authority with SSL_CERT_FILE"),
        ("the name is not known", "cannot be found; check"),
        ("something else answers", "and the proxies on the way"),
    ],
)
def test_an_atlas_that_is_not_reached_fails_with_the_cause_and_nothing_else_is_asked(  # noqa: PLR0917  # fixtures
    where: str,
    says: str,
    check: Check,
    resources: Resources,
    place: Place,
    atlas: Atlas,
    control_plane: ControlPlane,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resources.create("orders", place.spec())
    url = {
        "nobody listens": _refused_port(),
        "no TLS is spoken": atlas.url.replace("http:", "https:"),
        "a certificate is not trusted": control_plane.url,
        "the name is not known": "https://atlas.invalid",
        "something else answers": f"{atlas.url}/_simulator",
    }[where]
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)

    checked = check("--atlas-url", url)

    assert checked.code == 1
    checked.tells("failed", says)
    checked.tells("skipped", "Projects are not checked, because Atlas cannot be reached")
    assert len(checked.lines("failed")) == 1
    assert not [line for line in checked.output.splitlines() if line.startswith("Project")]


def _wrong_secret(resources: Resources, atlas: Atlas, place: Place) -> None:
    resources.secret(data={**atlas.put_account(place), "clientSecret": CANARY})


def _wrong_api_key(resources: Resources, atlas: Atlas, place: Place) -> None:
    resources.secret(data={**atlas.put_api_key(place), "privateApiKey": "89abcdef-89ab-cdef-0123-456789abcdef"})


def _no_secret(resources: Resources, atlas: Atlas, place: Place) -> None:
    resources.delete_secret()


def _empty_secret(resources: Resources, atlas: Atlas, place: Place) -> None:
    resources.secret(data={"clientid": "mdb_sa_id_5f7cac1adf5d6c6306f4b299"})


def _foreign_project(resources: Resources, atlas: Atlas, place: Place) -> None:
    resources.secret(data=atlas.put_account(place, role=None))


def _closed_list(resources: Resources, atlas: Atlas, place: Place) -> None:
    resources.secret(data=atlas.put_account(place, access_list=["192.0.2.0/24"]))


def _read_only(resources: Resources, atlas: Atlas, place: Place) -> None:
    resources.secret(data={"clientId": READ_ONLY_CLIENT_ID, "clientSecret": CLIENT_SECRET})


def _limited(resources: Resources, atlas: Atlas, place: Place) -> None:
    atlas.fail(place, status=429, errorCode="RATE_LIMITED_TOKEN_BUCKET")


def _upgraded(resources: Resources, atlas: Atlas, place: Place) -> None:
    atlas.fail(place, method="PATCH", status=405, errorCode="WRITES_NOT_ALLOWED_DURING_APP_UPGRADES")


@pytest.mark.parametrize(
    ("prepare", "says", "well"),
    [
        (_wrong_secret, "Atlas does not accept the credentials", ""),
        (_wrong_api_key, "Atlas does not accept the credentials", ""),
        (_no_secret, "There is no Secret atlas-credentials in namespace", ""),
        (_empty_secret, "clientid must be spelt clientId", ""),
        (_closed_list, "does not allow the address 127.0.0.1. Add it to the API access list", ""),
        (_foreign_project, "The project is not visible to these credentials", ACCEPTED),
        (_read_only, "they need the role Project Owner in the project", READS),
        (_upgraded, "The right to write is unknown. Atlas cannot serve the call", READS),
        (_limited, "Atlas limits the rate of calls", ""),
    ],
)
def test_what_is_wrong_fails_with_its_remedy(  # noqa: PLR0917  # fixtures
    prepare: Any, says: str, well: str, check: Check, resources: Resources, place: Place, atlas: Atlas
) -> None:
    prepare(resources, atlas, place)
    resources.create("orders", place.spec())

    checked = check()

    assert checked.code == 1
    checked.tells("failed", says)
    assert len(checked.lines("failed")) == 1
    assert not well or checked.tells("ok", well)
    assert checked.output.splitlines()[-1].startswith("Result: action is required (")


@pytest.mark.parametrize(
    ("flags", "says", "well"),
    [
        (["--project", "f" * 24, "--instance", "shop"], "Atlas has no project of this id", ACCEPTED),
        (["--project", place(59).project, "--instance", "nope"], "no serverless instance with this name", READS),
    ],
)
def test_what_does_not_exist_fails_also_where_no_resource_names_it_yet(
    flags: list[str], says: str, well: str, check: Check, resources: Resources
) -> None:
    checked = check(*flags, "--secret", f"{resources.namespace}/atlas-credentials")

    assert checked.code == 1
    checked.tells("failed", says)
    checked.tells("ok", well)


@pytest.mark.parametrize(
    ("mode", "says"),
    [("flex", "The instance is not serverless"), ("gone", "Atlas no longer serves the API")],
)
def test_an_instance_or_an_api_that_has_ended_fails(  # noqa: PLR0917  # fixtures
    mode: str, says: str, check: Check, resources: Resources, place: Place, atlas: Atlas
) -> None:
    resources.create("orders", place.spec())
    atlas.post("mode", {"mode": mode})

    checked = check()

    atlas.post("mode", {"mode": "normal"})
    assert checked.code == 1
    checked.tells("failed", says)
    assert "PATCH" not in checked.calls


def test_refused_credentials_are_tried_once_however_many_instances_they_are_for(
    check: Check, resources: Resources, atlas: Atlas, places: Iterator[Place]
) -> None:
    first, *others = [next(places) for _ in range(3)]
    _closed_list(resources, atlas, first)
    for number, each in enumerate((first, *others)):
        resources.create(f"e{number}", each.spec())

    checked = check()

    assert checked.code == 1
    assert checked.calls == ["GET", "GET"]
    assert len(checked.lines("failed")) == 1
    assert len(checked.lines("skipped")) == 2


def test_who_may_not_list_is_told_so(
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
    listed.tells("failed", "The API server refused: 403 Forbidden", "cannot list resource")
    read.tells("failed", "The user of the kubeconfig may not read Secret atlas-credentials", "the verb get on it")
    listed.tells("ok", "Atlas answers (")
