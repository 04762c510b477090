"""Names of Kubernetes objects; that the CRD and the chart agree, tests/contract/test_names.py sees to."""

import pytest

from atlas_endpoints.controller.names import is_namespace


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("shop", True),
        ("shop-2", True),
        ("2shop", True),
        ("a" * 63, True),
        ("a" * 64, False),
        ("a.b", False),
        ("", False),
    ],
)
def test_namespace_names(name: str, right: bool) -> None:
    assert is_namespace(name) is right
