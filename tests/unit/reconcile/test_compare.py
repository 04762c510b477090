"""Comparing what a resource wants with what Atlas shows, by meaning and not by letter."""

from typing import Any

import pytest

from atlas_endpoints.kinds.serverless_private_endpoint.resource import EndpointStatus
from atlas_endpoints.reconcile.compare import compare
from atlas_endpoints.reconcile.decision import Difference
from unit.reconcile.situations import ADDRESS, COMMENT, ENTRY, ID, made

ARM = "/subscriptions/4e133d35-e734-4385-a565-c0945567ae34/resourceGroups/rg/providers/Microsoft.Network/privateEndpoints/pe"
RESOURCE = made()


def endpoint(**fields: Any) -> EndpointStatus:
    found = EndpointStatus.read({"_id": ENTRY, **fields})
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("field", "one", "other", "expected"),
    [
        pytest.param(COMMENT, "a", "a", True, id="the same comment"),
        pytest.param(COMMENT, "a", "A", False, id="a comment in other letters is another"),
        pytest.param(COMMENT, "a", "a ", False, id="a comment with a blank more is another"),
        pytest.param(COMMENT, "", None, True, id="an empty comment is none"),
        pytest.param(COMMENT, None, None, True, id="no comment is no comment"),
        pytest.param(COMMENT, "a", None, False, id="a comment is not none"),
        pytest.param(ID, ARM, ARM.upper(), True, id="a resource id in capital letters"),
        pytest.param(ID, ARM, ARM.lower(), True, id="a resource id in small letters"),
        pytest.param(ID, ARM, ARM + "2", False, id="another resource id"),
        pytest.param(ID, "vpce-1", None, False, id="an id is not none"),
        pytest.param(ID, "", None, True, id="an empty id is none"),
        pytest.param(ADDRESS, "10.0.0.4", "10.0.0.4", True, id="the same address"),
        pytest.param(ADDRESS, "10.0.0.4", "10.0.0.40", False, id="another address"),
        pytest.param(ADDRESS, "2001:db8::1", "2001:0DB8:0:0:0:0:0:1", True, id="an address written out"),
        pytest.param(ADDRESS, "10.0.0.4", "::ffff:10.0.0.4", True, id="an IPv4 address in IPv6 clothes"),
        pytest.param(ADDRESS, "::1", "0.0.0.1", False, id="IPv6 is not IPv4"),
        pytest.param(ADDRESS, "10.0.0.4", None, False, id="an address is not none"),
        pytest.param(ADDRESS, "", None, True, id="an empty address is none"),
        pytest.param(ADDRESS, "10.0.0.4", "pending", False, id="no address at all"),
        pytest.param(ADDRESS, "pending", "pending", True, id="the same word that is no address"),
    ],
)
def test_same(field: str, one: str | None, other: str | None, expected: bool) -> None:
    assert RESOURCE.same(field, one, other) is expected
    assert RESOURCE.same(field, other, one) is expected


def test_shown() -> None:
    given = endpoint(cloudProviderEndpointId="vpce-1", privateEndpointIpAddress="10.0.0.4", comment="a")
    assert RESOURCE.shown(given) == {ID: "vpce-1", ADDRESS: "10.0.0.4", COMMENT: "a"}
    assert set(RESOURCE.shown(endpoint()).values()) == {None}


@pytest.mark.parametrize(
    ("desired", "shows", "differences"),
    [
        pytest.param({}, {"comment": "a"}, (), id="what is not managed does not differ"),
        pytest.param({COMMENT: "a"}, {"comment": "a"}, (), id="what is as desired does not differ"),
        pytest.param({COMMENT: ""}, {"comment": None}, (), id="what means the same does not differ"),
        pytest.param(
            {ID: "vpce-1", COMMENT: "a"},
            {"comment": "b"},
            (Difference(ID, "vpce-1", None), Difference(COMMENT, "a", "b")),
            id="what differs is told in the order of the fields",
        ),
    ],
)
def test_compare(desired: dict[str, str], shows: dict[str, Any], differences: tuple[Difference, ...]) -> None:
    assert compare(RESOURCE, desired, endpoint(**shows)) == differences
