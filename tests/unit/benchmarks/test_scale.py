"""No operation of the operator costs more where more instances, clusters, Secrets or credentials are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks import scale

if TYPE_CHECKING:
    from benchmarks.scale import Prepared

FEW, MANY = 500, 10_000
LIMIT = 5.0
"""How many times as much an operation may cost where twenty times as much is known; one that looks at all costs 6 to 19 times."""


@pytest.mark.parametrize(
    "prepared",
    [
        pytest.param(scale.a_list, id="the LIST of an instance, among instances that were listed and changed"),
        pytest.param(scale.a_write, id="a change of an endpoint, among instances that were listed and changed"),
        pytest.param(scale.a_cluster, id="the reading of a cluster, among clusters that were read"),
        pytest.param(scale.a_secret, id="the reading of a Secret, among Secrets that were read"),
        pytest.param(scale.new_credentials, id="a call with new credentials, among credentials that were used"),
        pytest.param(scale.new_credentials_of_the_client, id="the same at the HTTP client"),
        pytest.param(scale.a_correction_that_is_held_back, id="a correction that is held back, among many"),
    ],
)
async def test_an_operation_costs_the_same_whatever_else_is_known(prepared: Prepared) -> None:
    few, many = await scale.cost(await prepared(FEW)), await scale.cost(await prepared(MANY))
    assert many < LIMIT * few, f"{few * 1e6:.0f} us among {FEW}, {many * 1e6:.0f} us among {MANY}"
