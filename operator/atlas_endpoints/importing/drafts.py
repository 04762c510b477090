"""Write the manifest of an endpoint in Atlas, which changes nothing in Atlas when it is applied. Pure."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from atlas_endpoints.atlas.errors import one_line
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import Endpoint
from atlas_endpoints.kinds.serverless_private_endpoint.resource import ManagedField, Spec, shown
from atlas_endpoints.reconcile.spec import InvalidSpecError

CONNECTION = frozenset({ManagedField.CLOUD_PROVIDER_ENDPOINT_ID, ManagedField.PRIVATE_ENDPOINT_IP_ADDRESS})
"""The fields of a connection, which are managed together or not at all."""

LONGEST_NAME = 63
"""Characters of a resource's name, as the CRD has it."""

LONGEST_COMMENT = 300
"""Characters of a comment in YAML."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The project and instance of an endpoint; the provider if Atlas shows it."""

    project_id: str
    instance: str
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """What the user wants in every manifest."""

    namespace: str | None = None
    credentials_secret: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A manifest.

    Attributes:
        name: of the resource, unique for each endpoint.
        text: YAML that ends with a line feed.
    """

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An endpoint without a manifest; ``expected`` if that is no problem."""

    endpoint_id: str
    why: str
    expected: bool = False


def draft(endpoint: Endpoint, origin: Origin, options: Options) -> Draft | LeftOut:
    """Return the manifest of an endpoint. A value that the CRD does not accept becomes a comment."""
    if endpoint.status == "DELETING":
        return LeftOut(endpoint.id, "Atlas is deleting it", expected=True)
    fields = {
        "projectId": origin.project_id,
        "instanceName": origin.instance,
        "providerName": provider_of(endpoint, origin),
        "endpointId": endpoint.id,
    }
    managed = {field: value for field in ManagedField if (value := shown(endpoint)[field])}
    dropped: dict[ManagedField, str] = {}
    while (problems := _problems({**fields, **{field.value: value for field, value in managed.items()}})) is not None:
        invalid = _invalid_fields(problems) & managed.keys()
        if not invalid:
            return LeftOut(endpoint.id, "; ".join(problems))
        for field in invalid:
            del managed[field]
            dropped[field] = problems[0].partition(": ")[2]
    name = name_of(origin.instance, endpoint.id)
    lines = _lines(name, endpoint, fields, managed, dropped=dropped, options=options)
    return Draft(name, "".join(f"{line}\n" for line in lines))


def name_of(instance: str, endpoint_id: str) -> str:
    """Return the name of the resource: the instance, cut to fit, and the id of the endpoint."""
    room = LONGEST_NAME - len(endpoint_id) - 1
    return f"{instance.lower()[:room].rstrip('-')}-{endpoint_id}"


def provider_of(endpoint: Endpoint, origin: Origin) -> str:
    """Return the cloud. Some answers of Atlas lack it; only endpoints in Azure have a private link service."""
    inferred = "AZURE" if endpoint.private_link_service_resource_id else "AWS"
    return endpoint.provider_name or origin.provider or inferred


def _problems(spec: Mapping[str, str]) -> tuple[str, ...] | None:
    try:
        Spec.parse(spec)
    except InvalidSpecError as error:
        return error.problems
    return None


def _invalid_fields(problems: tuple[str, ...]) -> set[ManagedField]:
    """Return the fields that have a problem; those of a connection together."""
    named = {field for field in ManagedField if any(each.startswith(f"spec.{field}: ") for each in problems)}
    return named | CONNECTION if named & CONNECTION else named


def _lines(
    name: str,
    endpoint: Endpoint,
    fields: Mapping[str, str],
    managed: Mapping[ManagedField, str],
    *,
    dropped: Mapping[ManagedField, str],
    options: Options,
) -> Iterator[str]:
    yield f"# Status in Atlas when this was written: {comment(endpoint.status or 'none')}"
    yield "apiVersion: atlas-endpoints.dev/v1alpha1"
    yield "kind: ServerlessPrivateEndpoint"
    yield "metadata:"
    yield f"  name: {quoted(name)}"
    if options.namespace:
        yield f"  namespace: {quoted(options.namespace)}"
    yield "spec:"
    for field, value in fields.items():
        yield f"  {field}: {quoted(value)}"
    for managed_field in ManagedField:
        if managed_field in managed:
            yield f"  {managed_field}: {quoted(managed[managed_field])}"
        elif managed_field in dropped:
            value = quoted(shown(endpoint)[managed_field] or "")
            yield f"  # {managed_field} is not managed, so Atlas keeps {comment(value)}. {comment(dropped[managed_field])}"
    # Explicit, since a Namespace may set another default.
    yield f"  deletionPolicy: {quoted('Retain')}"
    if options.credentials_secret:
        yield "  credentialsSecretRef:"
        yield f"    name: {quoted(options.credentials_secret)}"


def quoted(text: str) -> str:
    """Return a quoted text, since YAML would parse an id such as 123e45 as a number."""
    return str(yaml.safe_dump(text, default_style='"', allow_unicode=True, width=math.inf)).rstrip("\n")


def comment(text: str) -> str:
    """Return a text as a comment of one line."""
    return one_line(text, limit=LONGEST_COMMENT)
