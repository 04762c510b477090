"""From an endpoint in Atlas to a manifest that changes nothing in Atlas when it is applied. Pure."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from atlas_endpoints.atlas.errors import one_line
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import Endpoint
from atlas_endpoints.kinds.serverless_private_endpoint.resource import ManagedField, Spec, shown
from atlas_endpoints.reconcile.spec import InvalidSpecError

CONNECTION = frozenset({ManagedField.CLOUD_PROVIDER_ENDPOINT_ID, ManagedField.PRIVATE_ENDPOINT_IP_ADDRESS})
"""The fields of a connection, which stand and fall together."""

LONGEST_NAME = 63
"""Characters of a resource's name, as the CRD has it."""

LONGEST_COMMENT = 300
"""Characters of a comment in YAML."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an endpoint is.

    Attributes:
        project_id: of its project.
        instance: its instance's name.
        provider: of the instance, if Atlas says so.
    """

    project_id: str
    instance: str
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is to be written into every manifest.

    Attributes:
        namespace: None: none.
        credentials_secret: None: none.
    """

    namespace: str | None = None
    credentials_secret: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A manifest.

    Attributes:
        name: of the resource, which no other endpoint gives.
        text: YAML that ends with a line feed.
    """

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An endpoint that gets no manifest.

    Attributes:
        endpoint_id: which one.
        why: for people.
        expected: whether nothing is amiss about that.
    """

    endpoint_id: str
    why: str
    expected: bool = False


def draft(endpoint: Endpoint, origin: Origin, wishes: Wishes) -> Draft | LeftOut:
    """Write the manifest of an endpoint.

    Args:
        endpoint: as Atlas shows it.
        origin: where it is.
        wishes: what else is to stand in it.
    """
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
        blamed = _blamed(problems) & managed.keys()
        if not blamed:
            return LeftOut(endpoint.id, "; ".join(problems))
        for field in blamed:
            del managed[field]
            dropped[field] = problems[0].partition(": ")[2]
    name = name_of(origin.instance, endpoint.id)
    lines = _lines(name, endpoint, fields, managed, dropped=dropped, wishes=wishes)
    return Draft(name, "".join(f"{line}\n" for line in lines))


def name_of(instance: str, endpoint_id: str) -> str:
    """Name the resource of an endpoint: after its instance, as far as a name allows, and its id, which makes it unique."""
    room = LONGEST_NAME - len(endpoint_id) - 1
    return f"{instance.lower()[:room].rstrip('-')}-{endpoint_id}"


def provider_of(endpoint: Endpoint, origin: Origin) -> str:
    """Tell the cloud; some answers of Atlas lack it, and then a private link service gives Azure away."""
    inferred = "AZURE" if endpoint.private_link_service_resource_id else "AWS"
    return endpoint.provider_name or origin.provider or inferred


def _problems(spec: Mapping[str, str]) -> tuple[str, ...] | None:
    try:
        Spec.parse(spec)
    except InvalidSpecError as error:
        return error.problems
    return None


def _blamed(problems: tuple[str, ...]) -> set[ManagedField]:
    """Tell which fields have to go; the two of a connection stand and fall together."""
    named = {field for field in ManagedField if any(each.startswith(f"spec.{field}: ") for each in problems)}
    return named | CONNECTION if named & CONNECTION else named


def _lines(
    name: str,
    endpoint: Endpoint,
    fields: Mapping[str, str],
    managed: Mapping[ManagedField, str],
    *,
    dropped: Mapping[ManagedField, str],
    wishes: Wishes,
) -> Iterator[str]:
    yield f"# Status in Atlas when this was written: {harmless(endpoint.status or 'none')}"
    yield "apiVersion: atlas-endpoints.dev/v1alpha1"
    yield "kind: ServerlessPrivateEndpoint"
    yield "metadata:"
    yield f"  name: {quoted(name)}"
    if wishes.namespace:
        yield f"  namespace: {quoted(wishes.namespace)}"
    yield "spec:"
    for field, value in fields.items():
        yield f"  {field}: {quoted(value)}"
    for managed_field in ManagedField:
        if managed_field in managed:
            yield f"  {managed_field}: {quoted(managed[managed_field])}"
        elif managed_field in dropped:
            value = quoted(shown(endpoint)[managed_field] or "")
            yield f"  # {managed_field} is not managed, so Atlas keeps {harmless(value)}. {harmless(dropped[managed_field])}"
    # Said, though it is the default: a Namespace may have another one.
    yield f"  deletionPolicy: {quoted('Retain')}"
    if wishes.credentials_secret:
        yield "  credentialsSecretRef:"
        yield f"    name: {quoted(wishes.credentials_secret)}"


def quoted(text: str) -> str:
    """Write a text so that no reader of YAML takes it for a number: an id may look like 123e45."""
    return str(yaml.safe_dump(text, default_style='"', allow_unicode=True, width=math.inf)).rstrip("\n")


def harmless(text: str) -> str:
    """Make a text fit for a comment in YAML."""
    return one_line(text, limit=LONGEST_COMMENT)
