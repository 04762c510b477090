"""Manifests of this kind: of what a project has in Atlas, and of the objects of other kinds that it replaces. Pure.

A manifest of an endpoint in Atlas, or of an ``AtlasPrivateEndpoint`` of MongoDB's own operator, changes nothing there. The
successor of a ``ServerlessPrivateEndpoint`` asks for an endpoint service; the endpoint in the cloud is still to be made,
since the former one is connected for ever to the service for which it was created.

Source: the CRD ``atlasprivateendpoints.atlas.mongodb.com``, version v1, of MongoDB Atlas Kubernetes Operator 2.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeGuard

from atlas_endpoints.atlas.answers import Requester
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.kinds.dedicated_private_endpoint.atlas import Endpoint, Service, ServiceState, State, entry_name
from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND
from atlas_endpoints.kinds.dedicated_private_endpoint.resource import rules_of
from atlas_endpoints.kinds.importer import Drafts, Found, Importer, LeftOut, Options
from atlas_endpoints.kinds.manifest import Manifest, comment, drafts_of, fitting, last_part, marked, retained
from atlas_endpoints.kinds.successors import SERVERLESS, dedicated_successor
from atlas_endpoints.reconcile.resource import part
from atlas_endpoints.reconcile.spec import PROJECT_KIND

PROVIDERS = ("AWS", "AZURE", "GCP")

AKO = "AtlasPrivateEndpoint"
"""The kind of objects of MongoDB's own operator."""

_NO_GCP_PROJECT = "the Google Cloud project of its endpoint is unknown; specify it with --gcp-project"


async def _providers(_: Requester, __: Credentials, ___: str) -> Mapping[str, None]:
    return dict.fromkeys(PROVIDERS)


def parts(service: Service) -> Iterable[str]:
    """Return the endpoints of a service, of which the LIST only has the IDs."""
    return [entry_name(service.id, each) for each in service.endpoint_ids]


def manifests(found: Iterable[Found], options: Options) -> Drafts:
    """Return a manifest for each endpoint in Atlas, and one for each service without endpoints."""
    return drafts_of(KIND, (made for each in found for made in _of_service(each, options)))


def _of_service(found: Found, options: Options) -> Iterator[Manifest | LeftOut]:
    service: Service = found.value
    if not service.endpoint_ids:
        yield _of_empty_service(found, service, options)
    for endpoint_id in service.endpoint_ids:
        endpoint = found.parts.get(entry_name(service.id, endpoint_id))
        if isinstance(endpoint, Endpoint):  # else the command has reported it
            yield _of_endpoint(found, service, endpoint_id, endpoint, options)


def _of_empty_service(found: Found, service: Service, options: Options) -> Manifest | LeftOut:
    what = f"service {service.id} in {service.region_name}"
    if service.status == ServiceState.DELETING:
        return LeftOut(what, "Atlas is deleting it", expected=True)
    spec = _spec(found, service, options)
    if found.scope_name == "GCP":
        if options.gcp_project is None:
            return LeftOut(what, _NO_GCP_PROJECT)
        spec["gcp"] = _gcp(service, options.gcp_project)
    remarks = (f"An endpoint service without an endpoint. Status in Atlas when this was written: {service.status}",)
    return Manifest(what, _name(found, service, service.id), options.namespace, spec, remarks)


def _of_endpoint(
    found: Found, service: Service, endpoint_id: str, endpoint: Endpoint, options: Options
) -> Manifest | LeftOut:
    if endpoint.status in {State.DELETING, State.DELETED}:
        return LeftOut(endpoint_id, "Atlas is deleting it", expected=True)
    spec, address, rules = _spec(found, service, options), endpoint.private_endpoint_ip_address, rules_of(endpoint)
    if found.scope_name == "GCP":
        project = endpoint.gcp_project_id or options.gcp_project
        if project is None:
            return LeftOut(endpoint_id, _NO_GCP_PROJECT)
        spec["gcp"] = _gcp(service, project)
        address = next(iter(rules.values()), None)
    if spec.get("gcp", {}).get("portMappingEnabled") is False:
        spec["gcp"] |= {"endpointGroupName": endpoint_id, "endpoints": _rules(rules)}
    else:
        spec["cloudProviderEndpointId"] = endpoint_id
        if address is not None:
            spec["privateEndpointIpAddress"] = address
    # A VPC endpoint has a unique ID; the names in other clouds are unique in a part of them only.
    mark = endpoint_id if found.scope_name == "AWS" else marked(endpoint_id, found.project_id, service.id)
    name = _name(found, service, mark)
    remarks = (f"Status in Atlas when this was written: {endpoint.status}",)
    return Manifest(endpoint_id, name, options.namespace, spec, remarks)


def _name(found: Found, service: Service, mark: str) -> str:
    return fitting(f"{found.scope_name}-{service.region_name}", last_part(mark))


def _spec(found: Found, service: Service, options: Options) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "projectId": found.project_id,
        "providerName": found.scope_name,
        "region": service.region_name or "",
    }
    if found.scope_name == "AWS" and service.supported_remote_regions:
        spec["supportedRemoteRegions"] = list(service.supported_remote_regions)
    return {**spec, **retained(options.credentials_secret)}


def _gcp(service: Service, project: str) -> dict[str, Any]:
    return {"projectId": project, "portMappingEnabled": bool(service.port_mapping_enabled)}


def _rules(rules: Mapping[str, str]) -> list[Mapping[str, str]]:
    return [{"name": name, "ipAddress": address} for name, address in sorted(rules.items())]


def of_objects(bodies: Sequence[Body], options: Options) -> Drafts:
    """Return the manifests of objects of MongoDB's own operator, and the successors of serverless private endpoints."""
    projects = {
        (str(body["metadata"].get("namespace")), str(body["metadata"].get("name"))): part(body, "status").get("id")
        for body in bodies
        if body.get("kind") == PROJECT_KIND
    }
    made: list[Manifest | LeftOut] = []
    for body in bodies:
        if body.get("kind") == AKO:
            made += _of_ako(body, projects, options)
        elif body.get("kind") == SERVERLESS:
            made.append(dedicated_successor(body, options))
    return drafts_of(KIND, made)


def _of_ako(body: Body, projects: Mapping[Any, Any], options: Options) -> Iterator[Manifest | LeftOut]:
    """Yield a manifest for each endpoint of an ``AtlasPrivateEndpoint``, or one without an endpoint."""
    spec, namespace, name = part(body, "spec"), body["metadata"].get("namespace"), body["metadata"].get("name")
    what, provider = f"{namespace}/{name}", str(spec.get("provider", ""))
    project = _project_of(spec, namespace, projects)
    if isinstance(project, LeftOut):
        yield replace(project, what=what)
        return
    secret = options.credentials_secret or part(spec, "connectionSecret").get("name")
    common = {**project, "providerName": provider, "region": spec.get("region", "")}
    if spec.get("supportedRegions"):
        common["supportedRemoteRegions"] = spec["supportedRegions"]
    common |= retained(secret)
    remarks = (
        f"From {AKO} {what} of MongoDB's own operator. Delete that object: two operators must not manage one endpoint. It",
        "leaves Atlas unchanged, unless its annotation mongodb.com/atlas-resource-policy is delete, or deletion protection is off.",
    )
    name_of_list = f"{provider.lower()}Configuration"
    configured = spec.get(name_of_list) or []
    if not _are_objects(configured):
        yield LeftOut(what, f"spec.{name_of_list} is not a list of objects")
        return
    where = options.namespace or namespace
    port_mapping = bool(spec.get("portMappingEnabled"))
    if not configured:
        if provider == "GCP":
            if options.gcp_project is None:
                yield LeftOut(what, _NO_GCP_PROJECT)
                return
            common["gcp"] = {"projectId": options.gcp_project, "portMappingEnabled": port_mapping}
        yield Manifest(what, fitting(str(name)), where, common, remarks)
    for each in configured:
        endpoint = _endpoint_of_ako(provider, each, port_mapping=port_mapping)
        if endpoint is None:
            yield LeftOut(
                f"{each.get('groupName')} of {what}", f"spec.{name_of_list}.endpoints is not a list of objects"
            )
            continue
        mark = str(endpoint.get("cloudProviderEndpointId") or part(endpoint, "gcp").get("endpointGroupName"))
        own = fitting(str(name), last_part(mark)) if len(configured) > 1 else fitting(str(name))
        yield Manifest(f"{mark} of {what}", own, where, {**common, **endpoint}, remarks)


def _are_objects(value: object) -> TypeGuard[list[Mapping[str, Any]]]:
    return isinstance(value, list) and all(isinstance(each, Mapping) for each in value)


def _project_of(spec: Body, namespace: str, projects: Mapping[Any, Any]) -> Mapping[str, Any] | LeftOut:
    reference, external = part(spec, "projectRef"), part(spec, "externalProjectRef").get("id")
    if external is not None:
        return {"projectId": external}
    where = reference.get("namespace") or namespace
    if not isinstance(where, str):
        return LeftOut("", "spec.projectRef.namespace: Invalid value: must be the name of a namespace")
    known = projects.get((where, str(reference.get("name"))))
    if known is not None:
        return {"projectId": known}
    if where == namespace:
        return {"projectRef": {"name": reference.get("name")}}
    why = f"its AtlasProject is in namespace {where}; add an export of that object to the input"
    return LeftOut("", comment(why))


def _endpoint_of_ako(provider: str, configured: Body, *, port_mapping: bool) -> Mapping[str, Any] | None:
    """Return the part of the spec that names an endpoint, or None if its forwarding rules are no list of objects."""
    if provider != "GCP":
        address = {"privateEndpointIpAddress": configured["ipAddress"]} if configured.get("ipAddress") else {}
        return {"cloudProviderEndpointId": configured.get("id"), **address}
    listed = configured.get("endpoints") or []
    if not _are_objects(listed):
        return None
    rules = {str(each.get("name")): str(each.get("ipAddress")) for each in listed}
    gcp = {"projectId": configured.get("projectId"), "portMappingEnabled": port_mapping}
    if not port_mapping:
        return {"gcp": {**gcp, "endpointGroupName": configured.get("groupName"), "endpoints": _rules(rules)}}
    single = [{"cloudProviderEndpointId": rule, "privateEndpointIpAddress": rules[rule]} for rule in rules]
    return {"gcp": gcp, **next(iter(single), {})}


IMPORTERS = {
    "dedicated-private-endpoint": Importer(
        KIND,
        _providers,
        manifests,
        of_objects=of_objects,
        objects=(f"{AKO}.atlas.mongodb.com", f"{SERVERLESS}.{KIND.names.group}"),
        parts=parts,
        flags=("region", "cluster", "gcp_project"),
    )
}
"""How ``atlas-endpoints import`` writes manifests of this kind."""
