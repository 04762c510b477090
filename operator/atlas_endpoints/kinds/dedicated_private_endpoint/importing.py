"""Manifests of this kind: of what a project has in Atlas, and of the objects of other kinds that it replaces. Pure.

A manifest of an endpoint in Atlas, or of an ``AtlasPrivateEndpoint`` of MongoDB's own operator, changes nothing there. The
successor of a ``ServerlessPrivateEndpoint`` asks for an endpoint service; the endpoint in the cloud is still to be made,
since the former one is connected for ever to the service for which it was created.

Source: the CRD ``atlasprivateendpoints.atlas.mongodb.com``, version v1, of MongoDB Atlas Kubernetes Operator 2.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, TypeGuard

from atlas_endpoints.atlas.answers import Requester
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.kinds.dedicated_private_endpoint.atlas import Endpoint, Service, ServiceState, State, entry_name
from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND
from atlas_endpoints.kinds.dedicated_private_endpoint.resource import Spec, rules_of
from atlas_endpoints.kinds.importer import Draft, Drafts, Found, Importer, LeftOut, Options
from atlas_endpoints.kinds.manifest import LONGEST_NAME, comment, draft, fields, header_of
from atlas_endpoints.reconcile.resource import part
from atlas_endpoints.reconcile.spec import PROJECT_KIND, InvalidSpecError

PROVIDERS = ("AWS", "AZURE", "GCP")

AKO, SERVERLESS = "AtlasPrivateEndpoint", "ServerlessPrivateEndpoint"
"""The kinds of objects that have manifests of this kind as successors."""

_NO_GCP_PROJECT = "the Google Cloud project of its endpoint is unknown; specify it with --gcp-project"

_NO_REGION = "its region is unknown; specify it with --region"

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


@dataclass(frozen=True, slots=True)
class _Manifest:
    """A manifest that is to be written, if its spec is valid.

    Attributes:
        what: for users, after the word "endpoint".
        remarks: comments above it.
        to_do: comments below its spec.
    """

    what: str
    name: str
    namespace: str | None
    spec: Mapping[str, Any]
    remarks: Sequence[str] = ()
    to_do: Sequence[str] = ()


async def _providers(_: Requester, __: Credentials, ___: str) -> Mapping[str, None]:
    return dict.fromkeys(PROVIDERS)


def parts(service: Service) -> Iterable[str]:
    """Return the endpoints of a service, of which the LIST only has the IDs."""
    return [entry_name(service.id, each) for each in service.endpoint_ids]


def manifests(found: Iterable[Found], options: Options) -> Drafts:
    """Return a manifest for each endpoint in Atlas, and one for each service without endpoints."""
    return _written(made for each in found for made in _of_service(each, options))


def _of_service(found: Found, options: Options) -> Iterator[_Manifest | LeftOut]:
    service: Service = found.value
    if not service.endpoint_ids:
        yield _of_empty_service(found, service, options)
    for endpoint_id in service.endpoint_ids:
        endpoint = found.parts.get(entry_name(service.id, endpoint_id))
        if isinstance(endpoint, Endpoint):  # else the command has reported it
            yield _of_endpoint(found, service, endpoint_id, endpoint, options)


def _of_empty_service(found: Found, service: Service, options: Options) -> _Manifest | LeftOut:
    what = f"service {service.id} in {service.region_name}"
    if service.status == ServiceState.DELETING:
        return LeftOut(what, "Atlas is deleting it", expected=True)
    spec = _spec(found, service, options)
    if found.scope_name == "GCP":
        if options.gcp_project is None:
            return LeftOut(what, _NO_GCP_PROJECT)
        spec["gcp"] = _gcp(service, options.gcp_project)
    remarks = (f"An endpoint service without an endpoint. Status in Atlas when this was written: {service.status}",)
    return _Manifest(what, _name(found.scope_name, service.region_name, service.id), options.namespace, spec, remarks)


def _of_endpoint(
    found: Found, service: Service, endpoint_id: str, endpoint: Endpoint, options: Options
) -> _Manifest | LeftOut:
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
    mark = endpoint_id if found.scope_name == "AWS" else _marked(endpoint_id, found.project_id, service.id)
    name = _name(found.scope_name, service.region_name, mark)
    remarks = (f"Status in Atlas when this was written: {endpoint.status}",)
    return _Manifest(endpoint_id, name, options.namespace, spec, remarks)


def _spec(found: Found, service: Service, options: Options) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "projectId": found.project_id,
        "providerName": found.scope_name,
        "region": service.region_name or "",
    }
    if found.scope_name == "AWS" and service.supported_remote_regions:
        spec["supportedRemoteRegions"] = list(service.supported_remote_regions)
    return {**spec, **_taken_over(options.credentials_secret)}


def _taken_over(secret: str | None) -> Mapping[str, Any]:
    # Explicit, since a Namespace may set another default.
    found: dict[str, Any] = {"deletionPolicy": "Retain"}
    return {**found, "credentialsSecretRef": {"name": secret}} if secret else found


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
    made: list[_Manifest | LeftOut] = []
    for body in bodies:
        if body.get("kind") == AKO:
            made += _of_ako(body, projects, options)
        elif body.get("kind") == SERVERLESS:
            made.append(_successor(body, options))
    return _written(made)


def _of_ako(body: Body, projects: Mapping[Any, Any], options: Options) -> Iterator[_Manifest | LeftOut]:
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
    common |= _taken_over(secret)
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
        yield _Manifest(what, _fitting(str(name)), where, common, remarks)
    for each in configured:
        endpoint = _endpoint_of_ako(provider, each, port_mapping=port_mapping)
        if endpoint is None:
            yield LeftOut(
                f"{each.get('groupName')} of {what}", f"spec.{name_of_list}.endpoints is not a list of objects"
            )
            continue
        mark = str(endpoint.get("cloudProviderEndpointId") or part(endpoint, "gcp").get("endpointGroupName"))
        own = _fitting(str(name), _last(mark)) if len(configured) > 1 else _fitting(str(name))
        yield _Manifest(f"{mark} of {what}", own, where, {**common, **endpoint}, remarks)


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


def _successor(body: Body, options: Options) -> _Manifest | LeftOut:
    """Return the successor of a serverless private endpoint: an endpoint for the dedicated cluster that followed the instance."""
    spec, metadata, endpoint = part(body, "spec"), body["metadata"], part(part(body, "status"), "endpoint")
    what = f"{metadata.get('namespace')}/{metadata.get('name')}"
    region = _region_of(endpoint.get("endpointServiceName")) or options.region
    if region is None:
        return LeftOut(what, _NO_REGION)
    cluster = options.cluster or spec.get("instanceName")
    made: dict[str, Any] = {name: spec[name] for name in _KEPT if name in spec}
    made |= {"providerName": spec.get("providerName"), "region": region}
    if options.credentials_secret:
        made["credentialsSecretRef"] = {"name": options.credentials_secret}
    if (config_map := part(spec, "connectionStringConfigMapRef")) and cluster is not None:
        made["connectionStrings"] = [{"clusterName": cluster, "configMapRef": {"name": config_map.get("name")}}]
    former = spec.get("cloudProviderEndpointId") or endpoint.get("cloudProviderEndpointId")
    remarks = (
        f"The successor of {SERVERLESS} {what}, for the dedicated cluster {cluster}. It writes the same ConfigMaps once",
        "that resource is deleted.",
    )
    to_do = tuple(_next_step(str(spec.get("providerName")), former))
    namespace = options.namespace or metadata.get("namespace")
    return _Manifest(what, _fitting(str(metadata.get("name"))), namespace, made, remarks, to_do)


def _next_step(provider: str, former: object) -> Iterator[str]:
    if former is not None:
        yield f"{former} cannot be used again: it is connected to the former service."
    if provider == "AZURE":
        yield "When status.service.privateLinkServiceResourceId is set, create a private endpoint for it, and name it here:"
        yield 'cloudProviderEndpointId: "/subscriptions/…/privateEndpoints/…"'
        yield 'privateEndpointIpAddress: "…"'
    else:
        yield "When status.service.endpointServiceName is set, create a VPC endpoint to it, and name it here:"
        yield 'cloudProviderEndpointId: "vpce-…"'


def _region_of(endpoint_service_name: object) -> str | None:
    """Return the region in the name of an endpoint service, as Atlas spells it; only AWS has it there."""
    found = _AWS_SERVICE.match(endpoint_service_name) if isinstance(endpoint_service_name, str) else None
    return found[1].upper().replace("-", "_") if found else None


def _written(made: Iterable[_Manifest | LeftOut]) -> Iterator[Draft | LeftOut]:
    """Yield the manifests whose spec is valid, with unique names."""
    valid: list[_Manifest] = []
    taken: set[tuple[str | None, str]] = set()
    for each in made:
        if isinstance(each, LeftOut):
            yield each
            continue
        try:
            Spec.parse(each.spec)
        except InvalidSpecError as error:
            yield LeftOut(each.what, "; ".join(error.problems))
            continue
        numbered = (each.name if number == 1 else _fitting(each.name, str(number)) for number in count(1))
        name = next(name for name in numbered if (each.namespace, name) not in taken)
        taken.add((each.namespace, name))
        valid.append(replace(each, name=name))
    names = Counter(each.name for each in valid)
    for each in valid:
        yield _draft(each, each.name if names[each.name] == 1 else f"{each.namespace}.{each.name}")


def _draft(manifest: _Manifest, file: str) -> Draft:
    lines = (
        *(f"# {comment(each)}" for each in manifest.remarks),
        *header_of(KIND.names, manifest.name, manifest.namespace),
        *fields(manifest.spec),
        *(f"  # {comment(each)}" for each in manifest.to_do),
    )
    return draft(file, lines)


def _name(provider: str, region: str | None, mark: str) -> str:
    return _fitting(f"{provider}-{region}", _last(mark))


def _fitting(name: str, mark: str = "") -> str:
    """Return a valid name of a resource that ends with the mark."""
    end = f"-{_plain(mark)[-40:].strip('-')}" if mark else ""
    return _plain(name)[: LONGEST_NAME - len(end)].strip("-") + end


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _last(cloud_id: str) -> str:
    """Return the last part of an ID, such as the name in an Azure resource ID."""
    return cloud_id.rpartition("/")[2]


def _marked(endpoint_id: str, *where: str) -> str:
    """Return the last part of an ID with some digits, by which it differs from those of other places."""
    digest = hashlib.sha256("/".join((*where, endpoint_id)).encode()).hexdigest()[:8]
    return f"{_last(endpoint_id)[:31]}-{digest}"


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
