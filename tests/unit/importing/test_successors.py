"""The successors of endpoints, for MongoDB's own operator."""

from __future__ import annotations

import pytest
import yaml

from atlas_endpoints.importing.drafts import Draft, LeftOut, Options
from atlas_endpoints.importing.successors import Connection, region_of, successors

PROJECT, OTHER = "5f" * 12, "6f" * 12
WISHES = Options("shop", "atlas-credentials")


def connection(
    label: str = "shop/orders",
    *,
    project: str = PROJECT,
    provider: str = "AWS",
    region: str | None = "US_EAST_1",
    cloud_id: str | None = "vpce-0123456789abcdef0",
) -> Connection:
    return Connection(label, project, provider, region, cloud_id)


def drafts(*connections: Connection) -> list[Draft]:
    found = successors(connections, WISHES)
    assert all(isinstance(each, Draft) for each in found), found
    return [each for each in found if isinstance(each, Draft)]


def test_a_successor_has_a_comment_with_the_next_step() -> None:
    (found,) = drafts(connection(), connection("shop/billing", cloud_id=None))

    assert found.name == f"aws-us-east-1-{PROJECT}"
    assert found.text == (
        "# For MongoDB's own operator: the endpoint service of a project for its dedicated clusters in one region.\n"
        "# It takes the place of these, whose private endpoints in the cloud lead to their own service and cannot be used"
        " again:\n"
        "# - shop/orders: vpce-0123456789abcdef0\n"
        "# - shop/billing: never connected\n"
        "apiVersion: atlas.mongodb.com/v1\n"
        "kind: AtlasPrivateEndpoint\n"
        "metadata:\n"
        f'  name: "aws-us-east-1-{PROJECT}"\n'
        '  namespace: "shop"\n'
        "spec:\n"
        "  externalProjectRef:\n"
        f'    id: "{PROJECT}"\n'
        "  connectionSecret:\n"
        '    name: "atlas-credentials"\n'
        '  provider: "AWS"\n'
        '  region: "US_EAST_1"\n'
        "  # Once status.serviceName is there, create an interface VPC endpoint to it, and name it here:\n"
        "  # awsConfiguration:\n"
        '  #   - id: "vpce-…"\n'
    )


def test_in_azure_the_comment_has_an_address() -> None:
    (found,) = drafts(connection(provider="AZURE", region="EUROPE_NORTH"))

    assert yaml.safe_load(found.text)["spec"] == {
        "externalProjectRef": {"id": PROJECT},
        "connectionSecret": {"name": "atlas-credentials"},
        "provider": "AZURE",
        "region": "EUROPE_NORTH",
    }
    assert "#     ipAddress: " in found.text


def test_each_project_cloud_and_region_has_its_own_successor() -> None:
    found = drafts(
        connection(),
        connection("shop/again"),
        connection("shop/west", region="US_WEST_2"),
        connection("shop/blue", provider="AZURE", region="US_EAST_2"),
        connection("web/other", project=OTHER),
    )

    assert [each.name for each in found] == [
        f"aws-us-east-1-{PROJECT}",
        f"aws-us-west-2-{PROJECT}",
        f"azure-us-east-2-{PROJECT}",
        f"aws-us-east-1-{OTHER}",
    ]


def test_an_unknown_region_names_the_flag() -> None:
    found = successors([connection(region=None), connection("shop/known")], WISHES)

    assert isinstance(found[0], Draft)
    assert found[1] == LeftOut("shop/orders", "its region is not known: name it with --region")


@pytest.mark.parametrize("region", ["X" * 80, "A_" * 30 + "B"])
def test_a_name_is_valid_in_kubernetes(region: str) -> None:
    (found,) = drafts(connection(region=region))

    assert len(found.name) <= 63
    assert "--" not in found.name


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
