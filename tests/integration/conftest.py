"""The control plane that the integration tests share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from control_plane import ControlPlane, provide_programs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class MakeNamespace(Protocol):
    """Makes a namespace with labels and returns its name."""

    def __call__(self, labels: Mapping[str, str] | None = None) -> str: ...


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the control plane before the first test that needs it.

    A cold build takes minutes: longer than a test may, and too long to say nothing. Here no test's clock runs yet, and
    with pytest's capture off, the progress is seen.
    """
    if session.config.option.collectonly or not any("control_plane" in _fixtures_of(item) for item in session.items):
        return
    capture: Any = session.config.pluginmanager.getplugin("capturemanager")  # its class is private to pytest
    with capture.global_and_fixture_disabled():
        provide_programs()


def _fixtures_of(item: pytest.Item) -> list[str]:
    return item.fixturenames if isinstance(item, pytest.Function) else []


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """The run's control plane (each xdist worker's own), with an audit log of all requests."""
    with ControlPlane(
        provide_programs(), directory=tmp_path_factory.mktemp("control-plane"), audit_log=True
    ) as running:
        yield running


@pytest.fixture(scope="module")
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A fresh namespace for the module's tests."""
    name = _create_namespace(control_plane, labels=None)
    yield name
    _delete_namespaces(control_plane, [name])


@pytest.fixture
def make_namespace(control_plane: ControlPlane) -> Iterator[MakeNamespace]:
    """A maker of namespaces for one test."""
    names: list[str] = []

    def make(labels: Mapping[str, str] | None = None) -> str:
        names.append(_create_namespace(control_plane, labels))
        return names[-1]

    yield make
    _delete_namespaces(control_plane, names)


def _create_namespace(control_plane: ControlPlane, labels: Mapping[str, str] | None) -> str:
    metadata = {"generateName": "test-", "labels": dict(labels or {})}
    manifest = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    created = control_plane.kubectl("create", "--filename=-", "--output=jsonpath={.metadata.name}", stdin=manifest)
    return created.stdout


def _delete_namespaces(control_plane: ControlPlane, names: list[str]) -> None:
    if names:
        control_plane.kubectl("delete", "namespace", "--wait=false", "--ignore-not-found", *names)
