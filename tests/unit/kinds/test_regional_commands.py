"""What ``plan`` and ``check`` say of endpoints that Atlas makes for a region, against the simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from atlas_endpoints.kinds.backup_private_endpoint import KIND as BACKUP
from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND as DEDICATED
from atlas_endpoints.kinds.encryption_at_rest_private_endpoint.kind import KIND as ENCRYPTION
from behaviour.atlas import PROJECT
from unit.kinds.read_atlas import asked, place_of, planned, resource

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from atlas_endpoints.kinds.commands import KindWithCommands
    from unit.kinds.read_atlas import Run

ON = {"enabled": True, "requirePrivateNetworking": True}
KEYS: Mapping[str, Any] = {"encryptionAtRest": {"awsKms": ON, "azureKeyVault": ON}}
READ_ONLY = {**KEYS, "role": "GROUP_READ_ONLY"}
AWS = {"providerName": "AWS", "region": "eu-west-1"}
AZURE = {"providerName": "AZURE", "region": "westeurope"}
ONE, TWO = (f"a{number:023}" for number in (1, 2))
OWNER = "Atlas demands the role Project Owner in the project, even to read"


def in_atlas(status: str, provider: str = "AWS") -> Mapping[str, Any]:
    """Return a project whose endpoint of a region has a status."""
    region = {"AWS": "EU_WEST_1", "AZURE": "EUROPE_WEST"}[provider]
    return {**KEYS, "encryption": [{"id": ONE, "cloudProvider": provider, "regionName": region, "status": status}]}


@pytest.mark.parametrize(
    ("case", "spec", "expected"),
    [
        pytest.param(KEYS, AWS, (3, "Create", "EndpointNotFound"), id="none"),
        pytest.param(KEYS, {**AWS, "managementPolicy": "Observe"}, (0, "Report", "EndpointNotFound"), id="observed"),
        pytest.param({}, AWS, (1, "Unknown", "EncryptionNotConfigured"), id="no keys"),
        pytest.param(
            {"encryptionAtRest": {"awsKms": {"enabled": True}}},
            AWS,
            (1, "Unknown", "PrivateNetworkingRequired"),
            id="no private networking",
        ),
        pytest.param(READ_ONLY, AWS, (1, "Unknown", "MissingRole"), id="unreadable"),
        pytest.param(in_atlas("ACTIVE"), AWS, (0, "None", "Available"), id="active"),
        pytest.param(in_atlas("INITIATING"), AWS, (0, "None", "Initiating"), id="on its way"),
        pytest.param(in_atlas("PENDING_ACCEPTANCE", "AZURE"), AZURE, (0, "None", "WaitingForApproval"), id="waiting"),
        pytest.param(in_atlas("PENDING_RECREATION"), AWS, (0, "None", "Recreating"), id="made again"),
        pytest.param(in_atlas("FAILED"), AWS, (0, "None", "EndpointFailed"), id="failed"),
        pytest.param(in_atlas("DELETING"), AWS, (3, "Wait", "Deleting"), id="going"),
        pytest.param(in_atlas("DELETING"), {**AWS, "managementPolicy": "Observe"}, (0, "None", "Deleting"), id="going, observed"),
    ],
)  # fmt: skip
def test_what_would_be_done_about_the_endpoint_of_a_region(
    run: Run, tmp_path: Path, case: Mapping[str, Any], spec: Mapping[str, Any], expected: tuple[int, str, str]
) -> None:
    code, document = planned(run, tmp_path, case, resource(ENCRYPTION, "keys", **spec))

    (found,) = document["resources"]
    assert (code, found["action"], found["reason"]) == expected, found
    assert (found["request"] is not None) == (found["action"] == "Create")


def test_what_would_be_sent_for_a_region_of_both_kinds(run: Run, tmp_path: Path) -> None:
    keys, exports = resource(ENCRYPTION, "keys", **AWS), resource(BACKUP, "exports", **AWS, vpcRegion="us-east-1")

    code, document = planned(run, tmp_path, KEYS, keys, exports)

    assert (code, document["warnings"]) == (3, [])
    group = f"/api/atlas/v2/groups/{PROJECT}"
    body = {"cloudProvider": "AWS", "regionName": "EU_WEST_1", "vpcRegionName": "US_EAST_1"}
    assert [each["request"] for each in document["resources"]] == [
        {
            "method": "POST",
            "path": f"{group}/encryptionAtRest/AWS/privateEndpoints",
            "body": {"regionName": "EU_WEST_1"},
        },
        {"method": "POST", "path": f"{group}/backup/AWS/privateEndpoints", "body": body},
    ]


def test_what_cannot_be_read_leaves_the_other_kinds_alone(run: Run, tmp_path: Path) -> None:
    kinds = ENCRYPTION, BACKUP, DEDICATED

    code, document = planned(run, tmp_path, READ_ONLY, *(resource(each, "one", **AWS) for each in kinds))

    found = document["resources"]
    assert (code, [each["action"] for each in found]) == (1, ["Unknown", "Unknown", "Create"])
    assert all(OWNER in each["message"] for each in found[:2])


def test_two_resources_of_a_region_are_in_conflict(run: Run, tmp_path: Path) -> None:
    found = (resource(BACKUP, name, **AWS, **more) for name, more in (("one", {}), ("two", {"vpcRegion": "EU_WEST_1"})))

    code, document = planned(run, tmp_path, KEYS, *found)

    assert (code, [each["reason"] for each in document["resources"]]) == (1, ["Conflict", "Conflict"])
    assert "name the same endpoint EU_WEST_1." in document["warnings"][0]


@pytest.mark.parametrize(
    ("kind", "case", "spec", "expected"),
    [
        pytest.param(
            ENCRYPTION,
            {"encryption": [{"id": ONE, "regionName": "EU_WEST_1"}, {"id": TWO, "regionName": "EU_WEST_2"}]},
            AWS,
            [
                f"ok       Endpoints that no live resource names: 1 ({TWO} for EU_WEST_2).",
                "ok       The credentials may write to the project (DELETE without a change",
            ],
            id="what nobody names",
        ),
        pytest.param(
            BACKUP,
            {"backups": [{"id": ONE, "regionName": "EU_WEST_1"}, {"id": TWO, "vpcRegionName": "EU_WEST_1"}]},
            {**AWS, "vpcRegion": "EU_WEST_1"},
            [
                f"ok       Endpoints that no live resource names: 1 ({TWO} for US_EAST_1 from EU_WEST_1).",
                "ok       The credentials may write to the project (DELETE without a change",
            ],
            id="another pair of regions",
        ),
        pytest.param(
            ENCRYPTION,
            {"encryption": [{"cloudProvider": "AZURE", "regionName": "EUROPE_WEST"}]},
            AZURE,
            [
                "ok       The credentials may write to the project (DELETE without a change",
            ],
            id="nothing left over, in the words of the cloud",
        ),
    ],
)  # fmt: skip
def test_what_a_check_says_of_a_cloud(
    kind: KindWithCommands[Any], case: Mapping[str, Any], spec: Mapping[str, Any], expected: list[str]
) -> None:
    place = place_of(kind, **spec)

    found = asked(case, place)

    assert place.title == f"Project {PROJECT}, {kind.shown_scope(spec['providerName'])}, for shop/one"
    assert len(found) == len(expected) + 1, found
    assert [each for each, begin in zip(found[1:], expected, strict=True) if not each.startswith(begin)] == []


def test_who_may_only_read_is_told_which_role_a_check_needs() -> None:
    found = {kind: asked(READ_ONLY, place_of(kind, **AWS)) for kind in (ENCRYPTION, BACKUP, DEDICATED)}

    for kind in (ENCRYPTION, BACKUP):
        accepted, refused = found[kind]
        assert accepted.startswith("ok       Atlas accepts the credentials (LIST")
        assert refused.startswith(f"failed   The credentials may not do this: {OWNER} these endpoints.")
    assert found[DEDICATED][0].startswith("ok       Atlas accepts the credentials, and they may read the project (LIST")
