"""What ``atlas-endpoints check`` says where the wire itself is what is wrong; what else can be wrong, unit tests tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.checking import CANARY, Check, Checker

if TYPE_CHECKING:
    from collections.abc import Callable

    from control_plane import ControlPlane
    from support.atlas import Atlas, Place
    from support.resources import Resources


@pytest.mark.parametrize(
    ("where", "says"),
    [
        pytest.param(None, "SSL_CERT_FILE", id="a certificate that is not trusted"),
        pytest.param("https://atlas.invalid", "DNS", id="a name that is not known"),
    ],
)
def test_an_atlas_that_is_not_reached_fails_with_the_cause_and_nothing_else_is_asked(  # noqa: PLR0917  # fixtures
    where: str | None,
    says: str,
    check: Check,
    resources: Resources,
    place: Place,
    control_plane: ControlPlane,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resources.create("orders", place.spec())
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)

    checked = check("--atlas-url", where or control_plane.url)

    assert checked.code == 1
    checked.contains("failed", says)
    assert len(checked.lines("failed")) == len(checked.lines("skipped")) == 1
    assert not [line for line in checked.output.splitlines() if line.startswith("Project")]


FAULTS: dict[str, tuple[Callable[[Atlas, Place], dict[str, str]], str]] = {
    "a wrong secret": (lambda atlas, place: {**atlas.put_account(place), "clientSecret": CANARY}, "credentials"),
    "a wrong API key": (
        lambda atlas, place: {**atlas.put_api_key(place), "privateApiKey": "89abcdef-89ab-cdef-0123-456789abcdef"},
        "credentials",
    ),
    "an access list": (lambda atlas, place: atlas.put_account(place, access_list=["192.0.2.0/24"]), "127.0.0.1"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_credentials_that_atlas_refuses_fail_with_the_remedy(
    fault: str, check: Check, resources: Resources, place: Place, atlas: Atlas
) -> None:
    made, says = FAULTS[fault]
    resources.secret(data=made(atlas, place))
    resources.create("orders", place.spec())

    checked = check()

    assert checked.code == 1
    checked.contains("failed", says)
    assert len(checked.lines("failed")) == 1


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
