"""Manifests of this kind: of what a project has in Atlas, and of the objects of other kinds that it replaces. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pydantic.alias_generators import to_camel

from atlas_endpoints.controller.cache import Body
from atlas_endpoints.kinds.dedicated_private_endpoint.atlas_private_endpoint import (
    AKO,
    NO_GCP_PROJECT,
    dedicated_endpoints,
    other_endpoints,
    projects_in,
    rules_as_written,
)
from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND
from atlas_endpoints.kinds.dedicated_private_endpoint.resource import Endpoint, Service
from atlas_endpoints.kinds.dedicated_private_endpoint.successors import SERVERLESS, dedicated_successor
from atlas_endpoints.kinds.importer import Found, Importer, InTerraform, LeftOut, Options
from atlas_endpoints.kinds.new_manifest import NewManifest, fitting, last_part, marked, retained

SERVICE, ENDPOINT = "mongodbatlas_privatelink_endpoint", "mongodbatlas_privatelink_endpoint_service"
"""The types in Terraform; the one of an endpoint is called a service."""


def _manifests(found: Iterable[Found], options: Options) -> Iterator[NewManifest | LeftOut]:
    """Yield a manifest for each endpoint in Atlas, and one for each service without endpoints."""
    for each in found:
        service: Service = each.value
        if not service.endpoint_ids:
            yield _of_empty_service(each, service, options)
        for endpoint_id in service.endpoint_ids:
            endpoint = each.parts.get(f"{service.id}/{endpoint_id}")
            if isinstance(endpoint, Endpoint):  # else the command has reported it
                yield _of_endpoint(each, service, endpoint_id, endpoint, options)


def _of_empty_service(found: Found, service: Service, options: Options) -> NewManifest | LeftOut:
    what = f"service {service.id} in {service.region}"
    if service.status == "DELETING":
        return LeftOut(what, "Atlas is deleting it", expected=True)
    if (spec := _spec(found, service, options, None)) is None:
        return LeftOut(what, NO_GCP_PROJECT)
    return NewManifest(what, _name(found, service, service.id), options.namespace, spec)


def _of_endpoint(
    found: Found, service: Service, endpoint_id: str, endpoint: Endpoint, options: Options
) -> NewManifest | LeftOut:
    if endpoint.status in KIND.going:
        return LeftOut(endpoint_id, "Atlas is deleting it", expected=True)
    if (spec := _spec(found, service, options, endpoint.gcp_project_id)) is None:
        return LeftOut(endpoint_id, NO_GCP_PROJECT)
    rules, gcp = endpoint.rules, spec.get("gcp")
    if gcp is not None and not gcp["portMappingEnabled"]:
        gcp |= {"endpointGroupName": endpoint_id, "endpoints": rules_as_written(rules)}
    else:
        address = endpoint.private_endpoint_ip_address if gcp is None else next(iter(rules.values()), None)
        spec["cloudProviderEndpointId"] = endpoint_id
        if address is not None:
            spec["privateEndpointIpAddress"] = address
    # A VPC endpoint has a unique ID; the names in other clouds are unique in a part of them only.
    mark = endpoint_id if found.scope_name == "AWS" else marked(endpoint_id, found.project_id, service.id)
    return NewManifest(endpoint_id, _name(found, service, mark), options.namespace, spec)


def _name(found: Found, service: Service, mark: str) -> str:
    return fitting(f"{found.scope_name}-{service.region}", last_part(mark))


def _spec(found: Found, service: Service, options: Options, gcp_project: str | None) -> dict[str, Any] | None:
    """Return the part of a spec that all endpoints of a service have, or None if it lacks the project of Google Cloud."""
    spec: dict[str, Any] = {
        "projectId": found.project_id,
        "providerName": found.scope_name,
        "region": service.region or "",
    }
    if found.scope_name == "AWS" and service.supported_remote_regions:
        spec["supportedRemoteRegions"] = list(service.supported_remote_regions)
    spec |= retained(options.credentials_secret)
    if found.scope_name == "GCP":
        project = gcp_project or options.gcp_project
        if project is None:
            return None
        spec["gcp"] = {"projectId": project, "portMappingEnabled": bool(service.port_mapping_enabled)}
    return spec


def of_objects(bodies: Sequence[Body], options: Options) -> Iterator[NewManifest | LeftOut]:
    """Yield the manifests of objects of MongoDB's own operator, and the successors of serverless private endpoints."""
    projects = projects_in(bodies)
    for body in bodies:
        if body.get("kind") == AKO:
            yield from dedicated_endpoints(body, projects, options)
        elif body.get("kind") == SERVERLESS:
            yield dedicated_successor(body, options)
    yield from other_endpoints(projects)


def _of_terraform(resources: Sequence[InTerraform]) -> Iterator[Found | LeftOut]:
    """Yield the services with their endpoints, and the endpoints whose service is missing."""
    services = {each.text("private_link_id"): each for each in resources if each.type == SERVICE}
    # An endpoint may name a service by the ID that it has in the state only.
    ids = {each.text("id"): service_id for service_id, each in services.items()} | {each: each for each in services}
    endpoints: dict[str, dict[str, InTerraform]] = {each: {} for each in services}
    for each in (one for one in resources if one.type == ENDPOINT):
        if (service_id := ids.get(each.text("private_link_id"))) is None:
            yield LeftOut(each.address, f"the state has no {SERVICE} with its private_link_id; use --project")
        else:
            endpoints[service_id][each.text("endpoint_service_id")] = each
    for service_id, each in services.items():
        registered, names = endpoints[service_id], ("port_mapping_enabled", "supported_remote_regions")
        answer = {
            "id": service_id,
            "regionName": each.text("region_name") or each.text("region"),
            "privateEndpoints": [*registered],
            **{to_camel(name): each.values.get(name) for name in names},
        }
        if (service := Service.read(answer)) is None:
            yield LeftOut(each.address, "its private_link_id is missing or malformed")
            continue
        parts = {f"{service_id}/{name}": _endpoint_in(name, one) for name, one in registered.items()}
        yield Found(each.text("project_id"), each.text("provider_name"), None, service, parts)


def _endpoint_in(name: str, resource: InTerraform) -> Endpoint | None:
    address, rules = resource.text("private_endpoint_ip_address"), resource.values.get("endpoints")
    listed = [each for each in rules if isinstance(each, dict)] if isinstance(rules, list) else []
    answer = {
        "endpointGroupName": name,
        "privateEndpointIPAddress": address or None,
        "gcpProjectId": resource.text("gcp_project_id") or None,
        "endpoints": [{to_camel(key): value for key, value in each.items()} for each in listed]
        or [{"endpointName": name, "ipAddress": address}],
    }
    return Endpoint.named(name, answer)


IMPORTER = Importer(
    KIND,
    _manifests,
    flags=("filename", "terraform", "region", "gcp_project"),
    sources=("filename", "terraform"),
    # Of the endpoints of a service, the LIST only has the IDs.
    parts=lambda service: [f"{service.id}/{each}" for each in service.endpoint_ids],
    of_objects=of_objects,
    objects=(f"{AKO}.atlas.mongodb.com", f"{SERVERLESS}.{KIND.names.group}"),
    of_terraform=_of_terraform,
    terraform=(SERVICE, ENDPOINT),
)
"""How ``atlas-endpoints import`` writes manifests of this kind."""
