"""The successors of serverless private endpoints."""

from __future__ import annotations

import pytest

from atlas_endpoints.kinds.successors import region_of


@pytest.mark.parametrize(
    ("service", "region"),
    [
        ("com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0", "US_EAST_1"),
        ("com.amazonaws.vpce.ap-southeast-2.vpce-svc-0123456789abcdef0", "AP_SOUTHEAST_2"),
        ("com.amazonaws.vpce.us-gov-west-1.vpce-svc-0123456789abcdef0", "US_GOV_WEST_1"),
        ("pls_62f5394fcbfe456e4ed881d6", None),
        ("", None),
        (None, None),
    ],
)
def test_the_service_of_aws_names_its_region(service: str | None, region: str | None) -> None:
    assert region_of(service) == region
