"""One Atlas of their own for the checks, which change what is common to all its projects, and the ServiceAccount that they run as."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from support.atlas import Atlas, place, seed
from support.checking import Checker
from support.rbac import grant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from control_plane import ControlPlane
    from control_plane.process import ServerGroup
    from support.atlas import Place
    from support.checking import Check
    from support.fixtures import MakeResources
    from support.resources import Resources

PLACES = 60


@pytest.fixture(scope="package")
def atlas(group: ServerGroup, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Atlas]:
    atlas = Atlas.start(group, tmp_path_factory.mktemp("checked"), seed(PLACES))
    yield atlas
    atlas.close()


@pytest.fixture(scope="session")
def places() -> Iterator[Place]:
    """All places of that Atlas, one by one."""
    return (place(number) for number in range(PLACES))


@pytest.fixture(scope="package")
def checker(control_plane: ControlPlane, crd: str, atlas: Atlas) -> Checker:
    """Checks as the shipped ServiceAccount."""
    grant(control_plane, "default", "checker")
    kubeconfig = control_plane.kubeconfig_for("default", "checker")
    return Checker(control_plane, atlas, kubeconfig, "system:serviceaccount:default:checker")


@pytest.fixture
def resources(make_resources: MakeResources) -> Resources:
    """A namespace with working credentials, whose resources nobody serves."""
    return make_resources("nobody")


@pytest.fixture
def check(
    checker: Checker, resources: Resources, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Check:
    """Checks the test's namespace alone."""
    return partial(checker.check, monkeypatch, capsys, "--namespaces", resources.namespace)
