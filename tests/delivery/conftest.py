"""What the delivery tests share: Helm of either major."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from delivery.helm import Helm
from delivery.programs import provide

if TYPE_CHECKING:
    from pathlib import Path


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take whether what operators write is to be recorded anew."""
    parser.addoption("--record", action="store_true", help="record what operators write, as testdata, not compare it")


@pytest.fixture
def helm3(tmp_path: Path) -> Helm:
    """Helm 3; `make delivery-programs` builds it beforehand, for that takes longer than a test may."""
    return Helm(provide("helm3"), 3, tmp_path / "helm3")


@pytest.fixture
def helm4(tmp_path: Path) -> Helm:
    """Helm 4."""
    return Helm(provide("helm4"), 4, tmp_path / "helm4")


@pytest.fixture(scope="module")
def one_helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm 4 for the tests of a module, where it only makes what they need."""
    return Helm(provide("helm4"), 4, tmp_path_factory.mktemp("helm"))


@pytest.fixture
def helm(helm4: Helm) -> Helm:
    """Helm 4 for what both majors do alike; `test_chart.py` shows that they render the same objects."""
    return helm4


@pytest.fixture(params=["helm3", pytest.param("helm4", marks=pytest.mark.gate)])
def each_helm(request: pytest.FixtureRequest) -> Helm:
    """Helm of either major, one after the other."""
    found: Helm = request.getfixturevalue(request.param)
    return found
