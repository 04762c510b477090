"""What the integration tests share: one control plane, one Atlas, and one operator that most of them use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from control_plane import ControlPlane
    from support.atlas import Atlas
    from support.fixtures import MakeNamespace, RunOperator
    from support.operator_process import OperatorProcess

pytest.register_assert_rewrite(
    "integration.bad_input", "integration.life", "support.concurrent_cases"
)  # they hold assertions of tests


@pytest.fixture(scope="session")
def shared_operator(start_operator: RunOperator, atlas: Atlas) -> OperatorProcess:
    """The operator that most tests share: it looks often, and calls things stalled soon."""
    return start_operator(
        label="shared", atlas=atlas, namespace="default", sync_interval="4s", stall_grace="3s", concurrency=64
    )


@pytest.fixture
def resources(
    control_plane: ControlPlane, shared_operator: OperatorProcess, make_namespace: MakeNamespace
) -> Iterator[Resources]:
    """A namespace with working credentials, whose resources the shared operator serves."""
    resources = Resources(control_plane, make_namespace(), {"served-by": "shared"})
    resources.secret()
    yield resources
    resources.close()
