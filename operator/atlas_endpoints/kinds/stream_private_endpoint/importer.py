"""Manifests of this kind, of the connections that a project has in Atlas, or a state of Terraform. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from atlas_endpoints.kinds.importer import Found, Importer, InTerraform, LeftOut, Options
from atlas_endpoints.kinds.new_manifest import NewManifest, fitting, retained
from atlas_endpoints.kinds.stream_private_endpoint.atlas import ConnectionState, connection_in
from atlas_endpoints.kinds.stream_private_endpoint.kind import KIND
from atlas_endpoints.kinds.stream_private_endpoint.resource import GOING, SCOPE
from atlas_endpoints.kinds.stream_private_endpoint.services import SERVICES, ManagedField

_IN_TERRAFORM = {
    "_id": "id",
    "provider": "provider_name",
    "state": "state",
    "vendor": "vendor",
    "region": "region",
    "serviceEndpointId": "service_endpoint_id",
    "arn": "arn",
    "gcpServiceAttachmentUris": "service_attachment_uris",
    "dnsDomain": "dns_domain",
    "dnsSubDomain": "dns_sub_domain",
}
"""Terraform's names of what Atlas shows."""


def manifests(found: Iterable[Found], options: Options) -> Iterator[NewManifest | LeftOut]:
    """Yield the manifests of connections, which change nothing in Atlas when they are applied; a target has one."""
    targets: dict[tuple[str, str], list[Found]] = defaultdict(list)
    for each in found:
        connection = each.value
        if connection.status == ConnectionState.DELETED:
            yield LeftOut(connection.id, "Atlas has deleted it", expected=True)
        elif connection.status in GOING:
            yield LeftOut(connection.id, "Atlas is deleting it", expected=True)
        else:
            # One whose target is not known is left out for what it lacks.
            targets[each.project_id, connection.target or connection.id].append(each)
    for there in targets.values():
        ids = sorted(each.value.id for each in there)
        for each in there:
            if others := [id_ for id_ in ids if id_ != each.value.id]:
                why = f"{', '.join(others)} leads to the same service, and a resource follows none of several. Remove all but one in Atlas"
                yield LeftOut(each.value.id, why)
            else:
                yield _manifest(each, options)


def _manifest(found: Found, options: Options) -> NewManifest:
    connection = found.value
    provider, vendor = connection.service
    service = SERVICES.get(connection.service)
    fields = [] if service is None else [each for each in ManagedField if each in service.needs | service.takes]
    values = {each.value: connection.described.get(each) for each in fields}
    spec = {
        "projectId": found.project_id,
        "providerName": provider,
        "vendor": vendor,
        **{name: value for name, value in values.items() if value},
        **retained(options.credentials_secret),
    }
    name = "-".join(filter(None, ("streams", vendor, connection.described.get(ManagedField.REGION))))
    return NewManifest(connection.id, fitting(name, connection.id), options.namespace, spec)


def _of_terraform(resources: Sequence[InTerraform]) -> Iterator[Found | LeftOut]:
    # Two modules may have one connection, which two resources would claim.
    keys = ((each.text("project_id"), each.text("id") or each.address) for each in resources)
    for (project, _), each in dict(zip(keys, resources, strict=True)).items():
        connection = connection_in({name: each.values.get(its) for name, its in _IN_TERRAFORM.items()})
        if connection is None:
            yield LeftOut(each.address, "its id is not that of a connection")
        else:
            yield Found(project, SCOPE, None, connection)


IMPORTER = Importer(
    KIND,
    manifests,
    flags=("terraform",),
    sources=("terraform",),
    of_terraform=_of_terraform,
    terraform=("mongodbatlas_stream_privatelink_endpoint",),
)
"""How ``atlas-endpoints import`` writes manifests of this kind."""
