"""``AtlasPrivateEndpoint`` of MongoDB's own operator, and the manifests of the resources that replace it. Pure.

It is the endpoint service of Atlas for the dedicated clusters of a project in one cloud and region, with its endpoints.
Source: the CRD ``atlasprivateendpoints.atlas.mongodb.com``, version v1, of MongoDB Atlas Kubernetes Operator 2.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias, TypeGuard

from atlas_endpoints.controller.cache import Body
from atlas_endpoints.kinds.importer import Hint, LeftOut, Options
from atlas_endpoints.kinds.new_manifest import NewManifest, fitting, last_part, retained
from atlas_endpoints.reconcile.resource import part
from atlas_endpoints.reconcile.spec import PROJECT_KIND

AKO = "AtlasPrivateEndpoint"

NO_GCP_PROJECT = "the Google Cloud project of its endpoint is unknown; specify it with --gcp-project"

Projects: TypeAlias = Mapping[tuple[str, str], Body]
"""The objects of projects by namespace and name."""


def projects_in(bodies: Sequence[Body]) -> Projects:
    """Return the projects among objects."""
    return {
        (str(body["metadata"].get("namespace")), str(body["metadata"].get("name"))): body
        for body in bodies
        if body.get("kind") == PROJECT_KIND
    }


def other_endpoints(projects: Projects) -> Iterator[Hint]:
    """Yield which projects have endpoints that no ``AtlasPrivateEndpoint`` contains."""
    for (namespace, name), body in projects.items():
        endpoints = part(body, "spec").get("privateEndpoints")
        if isinstance(endpoints, list) and endpoints:
            count = f"{len(endpoints)} private endpoint{'s' if len(endpoints) > 1 else ''}"
            yield Hint(f"{PROJECT_KIND} {namespace}/{name}", f"has {count} in its spec, which import --project writes")


def dedicated_endpoints(body: Body, projects: Projects, options: Options) -> Iterator[NewManifest | LeftOut]:
    """Yield a manifest for each endpoint of an object, or one without an endpoint; it changes nothing in Atlas."""
    spec, namespace, name = part(body, "spec"), body["metadata"].get("namespace"), body["metadata"].get("name")
    what, provider = f"{namespace}/{name}", str(spec.get("provider", ""))
    project = _project_of(spec, namespace, projects)
    if isinstance(project, str):
        yield LeftOut(what, project)
        return
    secret = _secret_of(spec, namespace, projects) or options.credentials_secret
    common = {**project, "providerName": provider, "region": spec.get("region", "")}
    if spec.get("supportedRegions"):
        common["supportedRemoteRegions"] = spec["supportedRegions"]
    common |= retained(secret)
    remarks: tuple[str, ...] = (
        f"From {AKO} {what} of MongoDB's own operator. Delete that object: two operators must not manage one endpoint. It",
        "leaves Atlas unchanged, unless its annotation mongodb.com/atlas-resource-policy is delete, or deletion protection is off.",
    )
    if secret is None:
        remarks += (
            "It names no Secret of its namespace, so that of the namespace or of the operator counts; use --credentials-secret-name.",
        )
        yield Hint(f"{AKO} {what}", "names no Secret of its namespace; use --credentials-secret-name", expected=True)
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
                yield LeftOut(what, NO_GCP_PROJECT)
                return
            common["gcp"] = {"projectId": options.gcp_project, "portMappingEnabled": port_mapping}
        yield NewManifest(what, fitting(str(name)), where, common, remarks)
    for each in configured:
        endpoint = _endpoint_of(provider, each, port_mapping=port_mapping)
        if endpoint is None:
            yield LeftOut(
                f"{each.get('groupName')} of {what}", f"spec.{name_of_list}.endpoints is not a list of objects"
            )
            continue
        mark = str(endpoint.get("cloudProviderEndpointId") or part(endpoint, "gcp").get("endpointGroupName"))
        own = fitting(str(name), last_part(mark)) if len(configured) > 1 else fitting(str(name))
        yield NewManifest(f"{mark} of {what}", own, where, {**common, **endpoint}, remarks)


def _are_objects(value: object) -> TypeGuard[list[Mapping[str, Any]]]:
    return isinstance(value, list) and all(isinstance(each, Mapping) for each in value)


def _secret_of(spec: Body, namespace: str, projects: Projects) -> Any:
    """Return the name of the Secret of an object, or of its project, if that is in its namespace, or None."""
    if (name := part(spec, "connectionSecret").get("name")) is not None:
        return name
    reference = part(spec, "projectRef")
    where = str(reference.get("namespace") or namespace)
    secret = part(part(projects.get((where, str(reference.get("name"))), {}), "spec"), "connectionSecretRef")
    return secret.get("name") if (secret.get("namespace") or where) == namespace else None


def _project_of(spec: Body, namespace: str, projects: Projects) -> Mapping[str, Any] | str:
    """Return the part of the spec that names the project, or why there is none."""
    reference, external = part(spec, "projectRef"), part(spec, "externalProjectRef").get("id")
    if external is not None:
        return {"projectId": external}
    where = reference.get("namespace") or namespace
    if not isinstance(where, str):
        return "spec.projectRef.namespace: Invalid value: must be the name of a namespace"
    known = part(projects.get((where, str(reference.get("name"))), {}), "status").get("id")
    if known is not None:
        return {"projectId": known}
    if where == namespace:
        return {"projectRef": {"name": reference.get("name")}}
    return f"its AtlasProject is in namespace {where}; add an export of that object to the input"


def _endpoint_of(provider: str, configured: Body, *, port_mapping: bool) -> Mapping[str, Any] | None:
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
        return {"gcp": {**gcp, "endpointGroupName": configured.get("groupName"), "endpoints": rules_as_written(rules)}}
    single = [{"cloudProviderEndpointId": rule, "privateEndpointIpAddress": rules[rule]} for rule in rules]
    return {"gcp": gcp, **next(iter(single), {})}


def rules_as_written(rules: Mapping[str, str]) -> Sequence[Mapping[str, str]]:
    """Return forwarding rules as in the spec of a ``DedicatedPrivateEndpoint``."""
    return [{"name": name, "ipAddress": address} for name, address in sorted(rules.items())]
