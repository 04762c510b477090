"""What the delivery tests share: the programs, and Helm of either major."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from delivery.helm import Helm
from delivery.programs import DeliveryPrograms

if TYPE_CHECKING:
    from pathlib import Path


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take whether what operators write is to be recorded anew."""
    parser.addoption("--record", action="store_true", help="record what operators write, as testdata, not compare it")


@pytest.fixture(scope="session")
def programs() -> DeliveryPrograms:
    """Give the programs; `make delivery-programs` builds them beforehand, for that takes longer than a test may."""
    return DeliveryPrograms()


@pytest.fixture
def helm3(programs: DeliveryPrograms, tmp_path: Path) -> Helm:
    """Helm 3."""
    return Helm(programs.helm3, 3, tmp_path / "helm3")


@pytest.fixture
def helm4(programs: DeliveryPrograms, tmp_path: Path) -> Helm:
    """Helm 4."""
    return Helm(programs.helm4, 4, tmp_path / "helm4")


@pytest.fixture(params=["helm3", pytest.param("helm4", marks=pytest.mark.gate)])
def helm(request: pytest.FixtureRequest) -> Helm:
    """Helm of either major, one after the other."""
    found: Helm = request.getfixturevalue(request.param)
    return found
