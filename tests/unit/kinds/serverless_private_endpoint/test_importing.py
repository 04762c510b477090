"""Manifests of endpoints in Atlas, which change nothing there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from atlas_endpoints.commands.drafts import Draft, drafts_of
from atlas_endpoints.commands.manifests import Manifest, ManifestReader
from atlas_endpoints.kinds.importer import Found, LeftOut, Options
from atlas_endpoints.kinds.serverless_private_endpoint.kind import IMPORTER, KIND
from atlas_endpoints.kinds.serverless_private_endpoint.resource import EndpointStatus, Spec
from atlas_endpoints.reconcile.compare import compare

if TYPE_CHECKING:
    from collections.abc import Iterable

PROJECT, ENDPOINT = "5f" * 12, "a1" * 12
CLOUD_ID = "vpce-0123456789abcdef0"
ARM = "/subscriptions/4e133d35-e734-4385-a565-c0945567ae34/resourceGroups/rg/providers/Microsoft.Network/privateEndpoints/one"
OPTIONS = Options("shop", "atlas-credentials")


def found_in(endpoint: EndpointStatus, instance: str = "Shop-1", provider: str | None = "AWS") -> Found:
    return Found(PROJECT, instance, provider, endpoint)


def drafts(found: list[Found], options: Options) -> Iterable[Draft | LeftOut]:
    return drafts_of(KIND, IMPORTER.of_entries(found, options))


def written(endpoint: EndpointStatus, provider: str | None = "AWS", options: Options | None = None) -> Draft:
    (found,) = drafts([found_in(endpoint, provider=provider)], options or Options())
    assert isinstance(found, Draft), found
    return found


def parsed(found: Draft) -> Manifest:
    (manifest,) = ManifestReader([KIND], namespace="default").read(f"{found.name}.yaml", found.text)
    assert isinstance(manifest, Manifest), manifest
    return manifest


def test_a_manifest_is_readable() -> None:
    endpoint = EndpointStatus(
        id=ENDPOINT, status="AVAILABLE", provider_name="AWS", cloud_provider_endpoint_id=CLOUD_ID, comment="orders: 1"
    )

    assert written(endpoint, options=OPTIONS).text == (
        'apiVersion: "atlas-endpoints.dev/v1alpha1"\n'
        "kind: ServerlessPrivateEndpoint\n"
        "metadata:\n"
        f'  name: "shop-1-{ENDPOINT}"\n'
        "  namespace: shop\n"
        "spec:\n"
        f'  projectId: "{PROJECT}"\n'
        '  instanceName: "Shop-1"\n'
        "  providerName: AWS\n"
        f'  endpointId: "{ENDPOINT}"\n'
        f'  cloudProviderEndpointId: "{CLOUD_ID}"\n'
        '  comment: "orders: 1"\n'
        "  deletionPolicy: Retain\n"
        "  credentialsSecretRef:\n"
        '    name: "atlas-credentials"\n'
    )


AZURE = {"provider_name": "AZURE", "cloud_provider_endpoint_id": ARM, "private_endpoint_ip_address": "10.0.0.4"}
UNMANAGED: dict[str, tuple[dict[str, Any], dict[str, str], str]] = {
    "no comment": ({"comment": None}, {}, ""),
    "an empty comment": ({"comment": ""}, {}, ""),
    "a comment of the operator": ({"comment": "atlas-endpoints.dev/0"}, {}, "# comment is not managed, so Atlas keeps 'atlas-endpoints.dev/0'. "),
    "a padded comment": ({"comment": " padded "}, {}, "# comment is not managed, so Atlas keeps ' padded '. "),
    "two lines, which are compared as one": ({"comment": "two\nlines"}, {"comment": "two lines"}, ""),
    "an ID of another form": ({"cloud_provider_endpoint_id": "vpce-odd", "comment": "c"}, {"comment": "c"},
        "# cloudProviderEndpointId is not managed, so Atlas keeps 'vpce-odd'. spec.cloudProviderEndpointId: must be the ID of an AWS VPC endpoint"),
    "two fields, so that all are left": ({"cloud_provider_endpoint_id": "vpce-odd", "comment": " c"}, {},
        "# comment is not managed, so Atlas keeps ' c'. spec."),
    "a connection in Azure": (AZURE, {"cloudProviderEndpointId": ARM, "privateEndpointIpAddress": "10.0.0.4"}, ""),
    "an ID without an address": ({**AZURE, "private_endpoint_ip_address": None}, {}, "# cloudProviderEndpointId is not managed"),
    "an address without an ID": ({**AZURE, "cloud_provider_endpoint_id": None}, {}, "# privateEndpointIpAddress is not managed"),
}  # fmt: skip
"""Fields in Atlas, those that the manifest has, and the comment about the others."""


@pytest.mark.parametrize(("fields", "kept", "comment"), UNMANAGED.values(), ids=UNMANAGED)
def test_an_unacceptable_value_is_left_to_atlas_with_a_comment(
    fields: dict[str, Any], kept: dict[str, str], comment: str
) -> None:
    found = written(EndpointStatus(id=ENDPOINT, status="AVAILABLE", **{"provider_name": "AWS", **fields}))

    assert parsed(found).resource.spec.desired == kept
    assert comment in found.text
    assert ("not managed" in found.text) == bool(comment)


@pytest.mark.parametrize(
    ("fields", "instance", "provider"),
    [
        ({"provider_name": "AZURE"}, "AWS", "AZURE"),
        ({}, "AZURE", "AZURE"),
        ({"private_link_service_resource_id": "/subscriptions/x"}, None, "AZURE"),
        ({}, None, "AWS"),
    ],
)
def test_the_provider_is_from_the_endpoint_its_instance_or_its_fields(
    fields: dict[str, str], instance: str | None, provider: str
) -> None:
    endpoint = EndpointStatus.model_validate({"id": ENDPOINT, **fields})
    assert parsed(written(endpoint, instance)).body["spec"]["providerName"] == provider


@pytest.mark.parametrize(
    ("endpoint", "instance", "why"),
    [
        (EndpointStatus(id=ENDPOINT, status="DELETING"), "shop", "Atlas is deleting it"),
        (EndpointStatus(id="not-an-id"), "shop", "spec.endpointId: "),
        (EndpointStatus(id=ENDPOINT, provider_name="GCP"), "shop", "spec.providerName: Unsupported value"),
        (EndpointStatus(id=ENDPOINT), "my shop", "spec.instanceName: "),
    ],
)
def test_an_endpoint_without_a_valid_resource_is_left_out_with_the_reason(
    endpoint: EndpointStatus, instance: str, why: str
) -> None:
    (found,) = drafts([found_in(endpoint, instance)], Options())

    assert isinstance(found, LeftOut)
    assert found.why.startswith(why)
    assert found.expected == (endpoint.status == "DELETING")


@pytest.mark.parametrize(
    ("instance", "name"),
    [
        ("Shop-", f"shop-{ENDPOINT}"),
        ("S" * 64, f"{'s' * 38}-{ENDPOINT}"),
        ("a" * 37 + "-b", f"{'a' * 37}-{ENDPOINT}"),
    ],
)
def test_a_name_is_valid_in_kubernetes(instance: str, name: str) -> None:
    (found,) = drafts([found_in(EndpointStatus(id=ENDPOINT), instance)], Options())
    assert isinstance(found, Draft)
    assert found.name == name


@pytest.mark.parametrize("name", ["123456789012345678901234", "123e45", "0x1f", "2027-01-01", "no", "Null", "y"])
def test_a_name_that_a_parser_may_take_for_another_type_is_quoted(name: str) -> None:
    (found,) = drafts([found_in(EndpointStatus(id=ENDPOINT), name)], Options())
    assert isinstance(found, Draft)
    assert f'  instanceName: "{name}"\n' in found.text.replace("'", '"')


words = st.one_of(
    st.none(), st.text(max_size=90), st.sampled_from([CLOUD_ID, ARM, "10.0.0.4", "atlas-endpoints.dev/x"])
)


@given(
    comment=words,
    cloud_id=words,
    address=words,
    provider=st.sampled_from(["AWS", "AZURE", None]),
    status=st.one_of(st.none(), st.text(max_size=20), st.sampled_from(["AVAILABLE", "RESERVED", "FAILED"])).filter(
        lambda status: status != "DELETING"  # which is left out
    ),
)
def test_each_manifest_is_valid_and_does_not_differ_from_atlas(
    comment: str | None, cloud_id: str | None, address: str | None, provider: str | None, status: str | None
) -> None:
    endpoint = EndpointStatus(
        id=ENDPOINT,
        status=status,
        provider_name=provider,
        cloud_provider_endpoint_id=cloud_id,
        private_endpoint_ip_address=address,
        comment=comment,
    )
    found = written(endpoint)

    manifest = parsed(found)
    assert compare(manifest.resource, manifest.resource.spec.desired, endpoint) == ()
    assert Spec.parse(yaml.safe_load(found.text)["spec"]) == manifest.resource.spec
