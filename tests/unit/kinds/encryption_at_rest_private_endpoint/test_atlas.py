"""What endpoints for encryption at rest rest on, and who needs them."""

import shlex
from typing import Any

import pytest

from atlas_endpoints.kinds.encryption_at_rest_private_endpoint.kind import CLUSTERS, Block, Cluster, encryption_in

VAULT = {"subscriptionID": "4e133d35", "resourceGroupName": "keys", "keyVaultName": "vault"}
BLOCKS: dict[str, tuple[Any, Block]] = {
    "all is on": (
        {"azureKeyVault": {"enabled": True, "requirePrivateNetworking": True, "valid": True, **VAULT}},
        Block(True, True, "4e133d35", "keys", "vault"),
    ),
    "public": ({"azureKeyVault": {"enabled": True, "requirePrivateNetworking": False}}, Block(True)),
    "off": ({"azureKeyVault": {"enabled": False, "requirePrivateNetworking": True}}, Block(False, True)),
    "nulls instead of flags": ({"azureKeyVault": {"enabled": None, "requirePrivateNetworking": None}}, Block()),
    "another cloud only": ({"awsKms": {"enabled": True, "requirePrivateNetworking": True}}, Block()),
    "null": ({"azureKeyVault": None}, Block()),
    "nothing": ({}, Block()),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_encryption_at_rest_is_read_leniently(name: str) -> None:
    answer, expected = BLOCKS[name]
    found = encryption_in(answer)
    assert found is not None
    assert found["AZURE"] == expected


ODD: list[object] = [
    *(None, [], "x", 5),
    *({"azureKeyVault": [1]}, {"awsKms": "on"}),
    *({"azureKeyVault": {"enabled": "true"}}, {"awsKms": {"requirePrivateNetworking": 1}}),
]


@pytest.mark.parametrize("answer", ODD)
def test_what_has_no_objects_and_flags_is_not_readable(answer: object) -> None:
    assert encryption_in(answer) is None


def encryption(**vault: str | None) -> Block:
    found = encryption_in({"azureKeyVault": {**VAULT, **vault}})
    assert found is not None
    return found["AZURE"]


def test_the_command_approves_exactly_this_connection() -> None:
    assert encryption().approval_of("pe-1.guid") == (
        "az network private-endpoint-connection approve --type Microsoft.KeyVault/vaults --subscription 4e133d35"
        " --resource-group keys --resource-name vault --name pe-1.guid"
    )


@pytest.mark.parametrize("name", ["keys", "_a", "(2)", "a.b-c_d(e)"])
def test_each_name_stays_one_argument(name: str) -> None:
    command = encryption(keyVaultName=name).approval_of(name)
    assert command is not None
    words = shlex.split(command)
    assert [words[words.index(option) + 1] for option in ("--resource-name", "--name")] == [name, name]


@pytest.mark.parametrize(
    "name", ["a; reboot", "$(reboot)", "it's", "--id /x", "a\nb", "a\n", "@file", "Größe", "n" * 261]
)
def test_a_name_that_azure_would_not_give_is_in_no_command(name: str) -> None:
    assert encryption(keyVaultName=name).approval_of("pe-1") is None
    assert encryption().approval_of(name) is None


@pytest.mark.parametrize("missing", [*VAULT])
def test_without_one_of_the_names_there_is_no_command(missing: str) -> None:
    assert encryption(**{missing: None}).approval_of("pe-1") is None
    assert encryption(**{missing: ""}).approval_of("pe-1") is None


def test_without_a_connection_there_is_no_command() -> None:
    assert encryption().approval_of(None) is None


def cluster(*configs: Any, **fields: Any) -> dict[str, Any]:
    specs = [{"regionConfigs": [each]} for each in configs]
    return {"id": "1", "name": "orders", "encryptionAtRestProvider": "AWS", "replicationSpecs": specs, **fields}


HERE, THERE = {"providerName": "AWS", "regionName": "EU_WEST_1"}, {"providerName": "AWS", "regionName": "EU_WEST_2"}
NEEDS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a node here": (cluster(HERE), ["EU_WEST_1"]),
    "a node here, in a second shard": (cluster(THERE, HERE), ["EU_WEST_1", "EU_WEST_2"]),
    "a node here, in the spelling of AWS": (cluster({**HERE, "regionName": "eu-west-1"}), ["eu-west-1"]),
    "a node in another cloud": (cluster({**HERE, "providerName": "GCP"}), []),
    "a node in a cloud that nobody knows": (cluster({**HERE, "providerName": "TENANT"}), ["EU_WEST_1"]),
    "a key that nobody knows": (cluster(HERE, encryptionAtRestProvider="AWS_KMS"), ["EU_WEST_1"]),
    "no key": (cluster(HERE, encryptionAtRestProvider="NONE"), []),
    "the key of another cloud": (cluster(HERE, encryptionAtRestProvider="AZURE"), []),
    "no word about a key": (cluster(HERE, encryptionAtRestProvider=None), ["EU_WEST_1"]),
    "no nodes": (cluster(replicationSpecs=None), [""]),
    "odd nodes": (cluster(None, {"regionName": None}, {"providerName": "AWS"}), ["", ""]),
}


@pytest.mark.parametrize("name", NEEDS)
def test_where_nodes_of_a_cluster_may_need_a_key(name: str) -> None:
    item, expected = NEEDS[name]
    found = CLUSTERS.parse([item])
    assert found is not None
    assert [sorted(each.regions_by_key("AWS")) for each in found] == [expected]


@pytest.mark.parametrize(
    "items", [None, {}, [None], [{"id": "1"}], [cluster(HERE), {"name": ""}], [cluster(name=None)]]
)
def test_clusters_of_which_one_has_no_name_are_not_readable(items: Any) -> None:
    assert CLUSTERS.parse(items) is None


def test_no_clusters_are_none() -> None:
    assert CLUSTERS.parse([]) == ()
    assert CLUSTERS.parse([cluster()]) == (Cluster("orders", "AWS", frozenset({("", "")})),)
