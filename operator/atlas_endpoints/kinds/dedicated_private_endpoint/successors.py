"""The successors of serverless private endpoints, whose API has ended. Pure.

The endpoint in the cloud of a successor is still to be made, since the former one is connected for ever to the service for
which it was created.
"""

import re
from collections.abc import Iterator
from typing import Any

from atlas_endpoints.controller.cache import Body
from atlas_endpoints.kinds.importer import LeftOut, Options
from atlas_endpoints.kinds.new_manifest import NewManifest, fitting
from atlas_endpoints.reconcile.resource import part

SERVERLESS = "ServerlessPrivateEndpoint"

_KEPT = (
    "projectId",
    "projectRef",
    "credentialsSecretRef",
    "managementPolicy",
    "driftPolicy",
    "deletionPolicy",
    "syncInterval",
    "provisioningTimeout",
    "suspend",
    "outputConfigMapRef",
)
"""The fields of a serverless private endpoint that mean the same for its successor."""

_AWS_SERVICE = re.compile(r"com\.amazonaws\.vpce\.([a-z]{2}(?:-[a-z]+)+-[0-9]{1,2})\.")


def dedicated_successor(body: Body, options: Options) -> NewManifest | LeftOut:
    """Return the ``DedicatedPrivateEndpoint`` for the dedicated cluster that followed the instance of an object."""
    spec, metadata, endpoint = part(body, "spec"), body["metadata"], part(part(body, "status"), "endpoint")
    what = f"{metadata.get('namespace')}/{metadata.get('name')}"
    region = region_of(endpoint.get("endpointServiceName")) or options.region
    if region is None:
        return LeftOut(what, "its region is unknown; specify it with --region")
    cluster = spec.get("instanceName")
    made: dict[str, Any] = {name: spec[name] for name in _KEPT if name in spec}
    made |= {"providerName": spec.get("providerName"), "region": region}
    if options.credentials_secret:
        made["credentialsSecretRef"] = {"name": options.credentials_secret}
    if config_map := part(spec, "connectionStringConfigMapRef"):
        made["connectionStrings"] = [{"clusterName": cluster, "configMapRef": {"name": config_map.get("name")}}]
    former = spec.get("cloudProviderEndpointId") or endpoint.get("cloudProviderEndpointId")
    successor = f"The successor of {SERVERLESS} {what}, for the dedicated cluster {cluster}."
    remarks: tuple[str, ...] = (successor,)
    if config_map or "outputConfigMapRef" in spec:
        remarks = (f"{successor} It writes the same ConfigMaps once", "that resource is deleted.")
    to_do = tuple(_next_step(str(spec.get("providerName")), former))
    namespace = options.namespace or metadata.get("namespace")
    return NewManifest(what, fitting(str(metadata.get("name"))), namespace, made, remarks, to_do)


def _next_step(provider: str, former: object) -> Iterator[str]:
    if former is not None:
        yield f"{former} cannot be used again if it was created for the serverless instance."
    if provider == "AZURE":
        yield "When status.service.privateLinkServiceResourceId is set, create a private endpoint for it, and name it here:"
        yield 'cloudProviderEndpointId: "/subscriptions/…/privateEndpoints/…"'
        yield 'privateEndpointIpAddress: "…"'
    else:
        yield "When status.service.endpointServiceName is set, create a VPC endpoint to it, and name it here:"
        yield 'cloudProviderEndpointId: "vpce-…"'


def region_of(endpoint_service_name: object) -> str | None:
    """Return the region in the name of an endpoint service, as Atlas spells it; only AWS has it there."""
    found = _AWS_SERVICE.match(endpoint_service_name) if isinstance(endpoint_service_name, str) else None
    return found[1].upper().replace("-", "_") if found else None
