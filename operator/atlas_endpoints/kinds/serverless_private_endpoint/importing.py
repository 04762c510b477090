"""Manifests of endpoints in Atlas: of this kind, and of their successors for MongoDB's own operator. Pure."""

from collections.abc import Iterable, Mapping
from itertools import combinations

from atlas_endpoints.atlas.answers import Requester
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.atlas.errors import AtlasError, NotServerlessError
from atlas_endpoints.kinds.atlas_private_endpoint import Connection, successors
from atlas_endpoints.kinds.importer import Draft, Drafts, Found, Importer, LeftOut, Options
from atlas_endpoints.kinds.manifest import (
    comment,
    draft,
    fields,
    fitting,
    header_of,
    problems_of,
    quoted,
    retained,
)
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import ServerlessInstance, State, list_instances
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessPrivateEndpoint, Spec, shown
from atlas_endpoints.kinds.successors import region_of
from atlas_endpoints.reconcile.spec import is_object_id

NO_PROJECT_ID = "Invalid value: must be the ID of a project, 24 lower-case hexadecimal characters"


async def _instances(client: Requester, credentials: Credentials, project_id: str) -> Mapping[str, ServerlessInstance]:
    return {each.name: each for each in await list_instances(client, credentials, project_id)}


def manifests(found: Iterable[Found], options: Options) -> Drafts:
    """Return the manifests of endpoints, which change nothing in Atlas when they are applied."""
    return [_manifest(each, options) for each in found]


def _manifest(found: Found, options: Options) -> Draft | LeftOut:
    endpoint = found.value
    if endpoint.status == State.DELETING:
        return LeftOut(endpoint.id, "Atlas is deleting it", expected=True)
    spec = {
        "projectId": found.project_id,
        "instanceName": found.scope_name,
        "providerName": _provider(found),
        "endpointId": endpoint.id,
    }
    in_atlas = {str(field): value for field, value in shown(endpoint).items() if value}
    problems = problems_of(Spec, {**spec, **in_atlas})
    # As many as possible: those of a connection are only valid together.
    subsets = (dict(each) for size in range(len(in_atlas), -1, -1) for each in combinations(in_atlas.items(), size))
    managed = next((each for each in subsets if not problems_of(Spec, {**spec, **each})), None)
    if managed is None:
        return LeftOut(endpoint.id, "; ".join(problems))
    name = fitting(found.scope_name, endpoint.id)
    lines = [
        f"# Status in Atlas when this was written: {comment(endpoint.status or 'none')}",
        *header_of(KIND, name, options.namespace),
        *fields(spec),
    ]
    for field, value in in_atlas.items():
        if field in managed:
            lines += fields({field: value})
        else:
            own = [each for each in problems if each.startswith(f"spec.{field}: ")]
            why = (own or problems)[0].partition(": ")[2]
            lines.append(f"  # {field} is not managed, so Atlas keeps {comment(quoted(value))}. {comment(why)}")
    return draft(name, [*lines, *fields(retained(options.credentials_secret))])


def successors_of_entries(found: Iterable[Found], options: Options) -> Drafts:
    """Return the successors of endpoints in Atlas."""
    return successors(
        (
            Connection(
                f"{each.value.id} of {each.scope_name}",
                each.project_id,
                _provider(each),
                (each.scope and each.scope.region) or region_of(each.value.endpoint_service_name) or options.region,
                each.value.cloud_provider_endpoint_id,
            )
            for each in found
        ),
        options,
    )


def successors_of_resources(resources: Iterable[ServerlessPrivateEndpoint], options: Options) -> Drafts:
    """Return the successors of exported resources, whose status shows their connections even after the end of the API."""
    connections, unresolved = [], []
    for each in resources:
        spec, endpoint, project_id = each.spec, each.status.endpoint, each.known_project_id
        if project_id is None:
            unresolved.append(LeftOut(str(each.key), "spec.projectRef is not resolved"))
            continue
        if not is_object_id(project_id):  # a file may hold any status, and the name is made of it
            unresolved.append(LeftOut(str(each.key), f"status.resolved.projectId: {NO_PROJECT_ID}"))
            continue
        region = region_of(endpoint.endpoint_service_name if endpoint else None) or options.region
        cloud_id = spec.cloud_provider_endpoint_id or (endpoint.cloud_provider_endpoint_id if endpoint else None)
        connections.append(Connection(str(each.key), project_id, spec.provider_name, region, cloud_id))
    return [*successors(connections, options), *unresolved]


def _provider(found: Found) -> str:
    """Return the cloud. Some answers of Atlas lack it; only endpoints in Azure have a private link service."""
    inferred = "AZURE" if found.value.private_link_service_resource_id else "AWS"
    provider: str = found.value.provider_name or (found.scope and found.scope.provider) or inferred
    return provider


_ENDED: Mapping[type[AtlasError], str] = {
    NotServerlessError: "is no longer a serverless instance and has no such endpoints"
}

IMPORTERS = {
    "serverless-private-endpoint": Importer(KIND, _instances, manifests, ended=_ENDED, flags=("instance",)),
    # Only the list of instances has the region.
    "atlas-private-endpoint": Importer(
        KIND,
        _instances,
        successors_of_entries,
        successors_of_resources,
        needs_scopes=True,
        ended=_ENDED,
        flags=("instance", "region"),
        no_default="MongoDB's operator has no default",
    ),
}
