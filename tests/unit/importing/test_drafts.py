"""The manifest of an endpoint: the operator takes it, and it changes nothing in Atlas."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from atlas_endpoints.importing.drafts import Draft, LeftOut, Options, Origin, draft, name_of
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import Endpoint
from atlas_endpoints.kinds.serverless_private_endpoint.resource import Spec
from atlas_endpoints.planning.manifests import Manifest, read
from atlas_endpoints.reconcile.compare import compare

PROJECT, ENDPOINT = "5f" * 12, "a1" * 12
ORIGIN = Origin(PROJECT, "Shop-1", "AWS")
CLOUD_ID = "vpce-0123456789abcdef0"
ARM = "/subscriptions/4e133d35-e734-4385-a565-c0945567ae34/resourceGroups/rg/providers/Microsoft.Network/privateEndpoints/one"


def written(endpoint: Endpoint, origin: Origin = ORIGIN, options: Options | None = None) -> Draft:
    found = draft(endpoint, origin, options or Options())
    assert isinstance(found, Draft), found
    return found


def parsed(found: Draft) -> Manifest:
    (manifest,) = read(f"{found.name}.yaml", found.text, namespace="default")
    assert isinstance(manifest, Manifest), manifest
    return manifest


def test_a_manifest_is_readable() -> None:
    endpoint = Endpoint(
        id=ENDPOINT, status="AVAILABLE", provider_name="AWS", cloud_provider_endpoint_id=CLOUD_ID, comment="orders: 1"
    )

    assert written(endpoint, options=Options("shop", "atlas-credentials")).text == (
        "# Status in Atlas when this was written: AVAILABLE\n"
        "apiVersion: atlas-endpoints.dev/v1alpha1\n"
        "kind: ServerlessPrivateEndpoint\n"
        "metadata:\n"
        f'  name: "shop-1-{ENDPOINT}"\n'
        '  namespace: "shop"\n'
        "spec:\n"
        f'  projectId: "{PROJECT}"\n'
        '  instanceName: "Shop-1"\n'
        '  providerName: "AWS"\n'
        f'  endpointId: "{ENDPOINT}"\n'
        f'  cloudProviderEndpointId: "{CLOUD_ID}"\n'
        '  comment: "orders: 1"\n'
        '  deletionPolicy: "Retain"\n'
        "  credentialsSecretRef:\n"
        '    name: "atlas-credentials"\n'
    )


@pytest.mark.parametrize(
    ("fields", "kept", "said"),
    [
        pytest.param({"comment": None}, {}, None, id="no comment"),
        pytest.param({"comment": ""}, {}, None, id="an empty comment"),
        pytest.param(
            {"comment": "atlas-endpoints.dev/0123"},
            {},
            '# comment is not managed, so Atlas keeps "atlas-endpoints.dev/0123". ',
            id="a comment that marks an endpoint as reserved by an operator",
        ),
        pytest.param(
            {"comment": " padded "}, {}, '# comment is not managed, so Atlas keeps " padded ". ', id="a padded comment"
        ),
        pytest.param(
            {"comment": "two\nlines"}, {}, '# comment is not managed, so Atlas keeps "two\\nlines". ', id="two lines"
        ),
        pytest.param(
            {"cloud_provider_endpoint_id": "vpce-odd", "comment": "c"},
            {"comment": "c"},
            '# cloudProviderEndpointId is not managed, so Atlas keeps "vpce-odd". must be the ID of an AWS VPC endpoint',
            id="an id of a form that the resource does not take",
        ),
        pytest.param(
            {"provider_name": "AZURE", "cloud_provider_endpoint_id": ARM, "private_endpoint_ip_address": "10.0.0.4"},
            {"cloudProviderEndpointId": ARM, "privateEndpointIpAddress": "10.0.0.4"},
            None,
            id="a connection in Azure",
        ),
        pytest.param(
            {"provider_name": "AZURE", "cloud_provider_endpoint_id": ARM},
            {},
            "# cloudProviderEndpointId is not managed",
            id="half of a connection in Azure",
        ),
        pytest.param(
            {"provider_name": "AZURE", "private_endpoint_ip_address": "10.0.0.4"},
            {},
            "# privateEndpointIpAddress is not managed",
            id="the other half",
        ),
    ],
)
def test_an_unacceptable_value_is_left_to_atlas_with_a_comment(
    fields: dict[str, Any], kept: dict[str, str], said: str | None
) -> None:
    found = written(Endpoint(id=ENDPOINT, status="AVAILABLE", **{"provider_name": "AWS", **fields}))

    assert parsed(found).resource.spec.desired == kept
    assert (said in found.text) if said else ("not managed" not in found.text)


@pytest.mark.parametrize(
    ("endpoint", "origin", "provider"),
    [
        (Endpoint(id=ENDPOINT, provider_name="AZURE"), Origin(PROJECT, "shop", "AWS"), "AZURE"),
        (Endpoint(id=ENDPOINT), Origin(PROJECT, "shop", "AZURE"), "AZURE"),
        (Endpoint(id=ENDPOINT, private_link_service_resource_id="/subscriptions/x"), Origin(PROJECT, "shop"), "AZURE"),
        (Endpoint(id=ENDPOINT), Origin(PROJECT, "shop"), "AWS"),
    ],
)
def test_the_cloud_is_from_the_endpoint_its_instance_or_its_fields(
    endpoint: Endpoint, origin: Origin, provider: str
) -> None:
    assert parsed(written(endpoint, origin)).resource.spec.provider_name == provider


@pytest.mark.parametrize(
    ("endpoint", "origin", "why"),
    [
        (Endpoint(id=ENDPOINT, status="DELETING"), ORIGIN, "Atlas is deleting it"),
        (Endpoint(id="not-an-id"), ORIGIN, "spec.endpointId: "),
        (Endpoint(id=ENDPOINT, provider_name="GCP"), ORIGIN, "spec.providerName: Unsupported value"),
        (Endpoint(id=ENDPOINT), Origin(PROJECT, "my shop"), "spec.instanceName: "),
    ],
)
def test_an_endpoint_without_a_valid_resource_is_left_out_with_the_reason(
    endpoint: Endpoint, origin: Origin, why: str
) -> None:
    found = draft(endpoint, origin, Options())

    assert isinstance(found, LeftOut)
    assert found.why.startswith(why)


@pytest.mark.parametrize(
    ("instance", "name"),
    [
        ("shop", f"shop-{ENDPOINT}"),
        ("Shop-", f"shop-{ENDPOINT}"),
        ("S" * 64, f"{'s' * 38}-{ENDPOINT}"),
        ("a" * 37 + "-b", f"{'a' * 37}-{ENDPOINT}"),
    ],
)
def test_a_name_is_valid_in_kubernetes(instance: str, name: str) -> None:
    assert name_of(instance, ENDPOINT) == name
    assert len(name) <= 63


def test_an_id_that_looks_like_a_number_stays_a_text() -> None:
    for endpoint_id in ("123456789012345678901234", "12345678901234567890e123"):
        assert parsed(written(Endpoint(id=endpoint_id))).resource.spec.endpoint_id == endpoint_id
        assert f'"{endpoint_id}"' in written(Endpoint(id=endpoint_id)).text


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
    endpoint = Endpoint(
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
