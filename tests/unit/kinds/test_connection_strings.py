"""The private connection strings in Atlas's answers, and whom they are for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_endpoints.kinds.connection_strings import KEYS, Connected, PrivateStrings, connection_values, private_strings
from support.recordings import recordings

RECORDED = recordings(clusterName="orders")
VPCE = "vpce-0123456789abcdef0"
AZURE_ID = "/subscriptions/4e133d35/resourceGroups/RG/providers/Microsoft.Network/privateEndpoints/pe"

CLUSTERS = [name for name in RECORDED if name.startswith("cluster-")]


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_recorded_cluster_without_endpoints_has_no_private_strings(name: str) -> None:
    assert private_strings("orders", RECORDED[name]["response"]["body"]) == ()


def test_the_documented_private_strings_are_read_by_the_endpoint() -> None:
    identifier = "vpce-0c86b555d9a233152"
    sample = RECORDED["docs-cluster-private-endpoint-strings"]["response"]["body"]
    strings = private_strings("orders", {"name": "orders", **sample})
    assert strings is not None
    (found,) = strings
    connected = Connected(identifier, "AWS", "US_EAST_1")
    assert found.endpoints == (connected,)
    assert found.texts["connectionStringSrv"] == "mongodb+srv://cluster1-pl-0.uzgh6.mongodb.net"
    assert found.texts["connectionString"].startswith("mongodb://pl-0-us-east-1.uzgh6.mongodb.net:1024,")
    assert "connectionStringSrvShardOptimized" not in found.texts
    values = connection_values("orders", "e", Connected(identifier.upper(), "AWS"), KEYS, strings)
    assert values == {
        "clusterName": "orders",
        "connectionString": found.texts["connectionString"],
        "connectionStringSrv": found.texts["connectionStringSrv"],
        "endpointId": "e",
        "providerName": "AWS",
        "region": "US_EAST_1",
    }
    assert connection_values("orders", "e", Connected(identifier, "AZURE"), KEYS, strings) is None
    assert connection_values("orders", "e", Connected(VPCE, "AWS"), KEYS, strings) is None


@given(st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)))
def test_no_answer_raises(item: object) -> None:
    answer = {"name": "orders", "connectionStrings": {"privateEndpoint": item}}
    assert private_strings("orders", answer) == ()
    assert private_strings("orders", item) is None


PRIVATE = {"endpoints": [{"endpointId": VPCE, "region": "EU_WEST_1"}]}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        pytest.param(
            PRIVATE | {"srvShardOptimizedConnectionString": "mongodb+srv://a-pl-0-lb.example.net/?x=1"},
            PrivateStrings(
                (Connected(VPCE, None, "EU_WEST_1"),),
                {"connectionStringSrvShardOptimized": "mongodb+srv://a-pl-0-lb.example.net/?x=1"},
            ),
            id="one of the three",
        ),
        pytest.param(
            {"endpoints": [{"endpointId": VPCE}, {"endpointId": AZURE_ID}], "srvConnectionString": "mongodb+srv://a"},
            PrivateStrings((Connected(VPCE), Connected(AZURE_ID)), {"connectionStringSrv": "mongodb+srv://a"}),
            id="two endpoints",
        ),
        pytest.param(PRIVATE, None, id="no string"),
        pytest.param(PRIVATE | {"srvConnectionString": "mongodb+srv://user:secret@a"}, None, id="with credentials"),
        pytest.param(PRIVATE | {"srvConnectionString": "https://a"}, None, id="no connection string"),
        pytest.param({"srvConnectionString": "mongodb+srv://a"}, None, id="no endpoints"),
        pytest.param({"srvConnectionString": "mongodb+srv://a", "endpoints": [{}]}, None, id="no id"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_private_strings(item: object, expected: PrivateStrings | None) -> None:
    answer = {"name": "orders", "connectionStrings": {"privateEndpoint": [item], "standardSrv": "mongodb+srv://public"}}
    assert private_strings("orders", answer) == (() if expected is None else (expected,))
    assert private_strings("another", answer) is None
