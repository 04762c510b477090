"""The kind ``ServerlessPrivateEndpoint``: its calls and answers, its ConfigMaps, and its manifests. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from pydantic.alias_generators import to_camel
from typing_extensions import override

from atlas_endpoints.atlas.errors import APIGoneError, NotServerlessError, one_line
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.cluster.api import Names
from atlas_endpoints.controller.cache import Body, annotations_of, uid_of
from atlas_endpoints.kinds.commands import KindWithCommands
from atlas_endpoints.kinds.connection_strings import Connected, output
from atlas_endpoints.kinds.importer import Found, Importer, LeftOut, Manifests, Options
from atlas_endpoints.kinds.lives.life import Life, may_appear
from atlas_endpoints.kinds.new_manifest import NewManifest, fitting, retained
from atlas_endpoints.kinds.parts.fields import values_of
from atlas_endpoints.kinds.serverless_private_endpoint import decide
from atlas_endpoints.kinds.serverless_private_endpoint.calls import ENDPOINTS, INSTANCE, list_instances
from atlas_endpoints.kinds.serverless_private_endpoint.decide import Facts, ServerlessReason
from atlas_endpoints.kinds.serverless_private_endpoint.resource import (
    MARK,
    EndpointStatus,
    Reservation,
    ServerlessPrivateEndpoint,
    Spec,
)
from atlas_endpoints.reconcile.creation import may_arrive_for
from atlas_endpoints.reconcile.decision import Create, Decision, State, Write
from atlas_endpoints.reconcile.outputs import Output
from atlas_endpoints.reconcile.reasons import EventReason, Reason
from atlas_endpoints.reconcile.resource import ENDPOINT_ANNOTATION, EndpointRecord, Thing, part
from atlas_endpoints.reconcile.status import Cause, Creation

KEYS = ("endpointId", "endpointServiceName", "privateLinkServiceResourceId")
"""The keys of the ConfigMap for the cloud's side."""

CONNECTION_KEYS = ("clusterName", "connectionStringSrv", "endpointId", "providerName", "region")
"""The keys of the ConfigMap for applications: an instance has a DNS seed list only."""

NEEDED: Mapping[str, frozenset[str]] = {"AWS": frozenset(KEYS[:2]), "AZURE": frozenset(KEYS)}
"""The keys without which the cloud's side cannot be created."""


class ServerlessPrivateEndpoints(Life[ServerlessPrivateEndpoint]):
    """An entry is an endpoint; a scope is a serverless instance."""

    names = Names("atlas-endpoints.dev", "v1alpha1", "ServerlessPrivateEndpoint", "serverlessprivateendpoints")
    resource, entry = ServerlessPrivateEndpoint, EndpointStatus
    api, states = ENDPOINTS, decide.STATES
    reads: ClassVar = {"instance": INSTANCE}
    reasons = (*Reason, *ServerlessReason)
    busy = KindWithCommands.busy | {ServerlessReason.RESERVATION_REQUESTED}
    scope_noun = "instance"
    keeps_confirmed = False  # another endpoint is reserved for one that is gone
    successor = "a dedicated cluster and its private endpoints"

    @override
    def entry_of(self, body: Body) -> str | None:
        """Return the endpoint that an object names, even if its spec is invalid; if its status was lost, that of its annotation."""
        named = part(body, "spec").get("endpointId")
        if isinstance(named, str):
            return named
        if reservation := part(part(body, "status"), "reservation"):
            reserved = reservation.get("endpointId")
            return reserved if isinstance(reserved, str) else None
        record = EndpointRecord.parse(annotations_of(body).get(ENDPOINT_ANNOTATION, ""))
        return record.endpoint_id if record is not None and record.uid == uid_of(body) else None

    @override
    def got(self, entry: str, answer: Any) -> EndpointStatus | None:
        return EndpointStatus.named(entry, answer)

    @override
    def decide(self, facts: Facts) -> Decision:
        return decide.decide(facts)

    @override
    def creation(self, facts: Facts) -> Write:
        return decide.reservation(facts, 1)

    @override
    def followed(self, facts: Facts) -> EndpointStatus | None:
        """Return the endpoint of a resource that goes, or one that was reserved beside it and that nobody has connected."""
        entry, marked = facts.resource.entry, decide.marked_for(facts)
        found: EndpointStatus | None = None if entry is None else facts.view.value(entry)
        beside = (each for each in marked if entry is None or each.cloud_provider_endpoint_id is None)
        return found or next(beside, None)

    @override
    def decide_deletion(self, facts: Facts) -> Decision:
        decision, entry = super().decide_deletion(facts), facts.resource.entry
        is_gone = entry is not None and facts.view.value(entry) is None
        return replace(decision, absent=entry) if is_gone else decision

    @override
    def deletion(self, facts: Facts, entry: EndpointStatus, cause: Cause | None) -> Write:
        request = ENDPOINTS.deletion_of(facts.scope, entry.id)
        return Write(request, cause, touches=(entry.id,), deletes=Thing.endpoint(entry.id))

    @override
    def nothing_left(self, facts: Facts) -> Decision:
        entry = facts.resource.entry
        left = may_arrive_for(facts.previous.creation, facts.now, facts.arrives_for) if entry is None else 0.0
        if left > 0:
            return may_appear(facts, left)
        gone = None if entry is None else f"Endpoint {entry} is deleted from Atlas."
        state = State(Reason.DELETING, "Atlas has no endpoint of this resource.")
        return Decision(state, nothing_left=True, gone=gone)

    @override
    def written(self, write: Write, answer: Any) -> tuple[str, EndpointStatus] | None:
        found = EndpointStatus.read(answer) if isinstance(write, Create) else self.got(write.touches[0], answer)
        return None if found is None else (found.id, found)

    @override
    def label(self, value: EndpointStatus) -> str | None:
        comment = value.comment or ""
        return comment if comment.startswith(MARK) else None

    @override
    def news(self, previous: Mapping[str, Any], status: Mapping[str, Any]) -> Iterable[tuple[EventReason, str]]:
        known, reservation = part(previous, "reservation"), part(status, "reservation")
        lost, found = known.get("endpointId"), reservation.get("endpointId")
        # Without a reservation, an adopted entry belongs to another resource, and is not lost.
        if lost is not None and reservation and found is None:
            yield (
                EventReason.ENDPOINT_LOST,
                f"The reserved endpoint {lost} no longer exists in Atlas: it has expired or was deleted. The operator reserves another one.",
            )
        elif found not in {None, lost} and reservation.get("adopted"):
            message = (
                f"This resource takes over endpoint {found}: the annotation of an earlier resource names it, and no other resource uses"
                " it. When this resource is deleted, the endpoint stays in Atlas, unless spec.endpointId names it."
            )
            yield EventReason.ENDPOINT_TAKEN_OVER, message
        elif found not in {None, lost}:
            yield EventReason.ENDPOINT_RESERVED, f"Endpoint {found} is reserved for this resource."

    @override
    def intended(self, facts: Facts, creation: Creation) -> Mapping[str, Any]:
        # The endpoint in the status is gone, or was another one.
        return {"reservation": Reservation(**dict(creation)), "endpoint": None}

    @override
    def not_created(self, facts: Facts, name: str) -> Mapping[str, Any]:
        """Clear the reservation, so that a person may name an endpoint, unless it was to replace a lost one."""
        record = facts.resource.metadata.endpoint_record
        replaces = record is not None and record.uid == facts.resource.metadata.uid
        return {} if replaces else {"reservation": None}

    @override
    def outputs(self, resource: ServerlessPrivateEndpoint, own: Mapping[str, Any]) -> Sequence[Output]:
        spec, endpoint, found = resource.spec, own.get("endpoint", resource.status.endpoint), []
        if (reference := spec.output_config_map_ref) is not None:
            found.append(Output(reference.name, KEYS, cloud_values(endpoint, spec.provider_name)))
        if (reference := spec.connection_string_config_map_ref) is not None:
            available = endpoint if endpoint is not None and endpoint.status == "AVAILABLE" else None
            cloud_id = None if available is None else available.cloud_provider_endpoint_id
            strings = output(
                reference.name,
                INSTANCE,
                spec.instance_name,
                endpoint_id=endpoint.id if endpoint is not None else "",
                wanted=Connected(cloud_id, spec.provider_name) if cloud_id is not None else None,
                keys=CONNECTION_KEYS,
            )
            found.append(strings)
        return found

    # Commands.

    @override
    def counted(self, values: Collection[Any]) -> str:
        return f"The instance exists. Endpoints in it: {len(values)}."

    @override
    def mismatch(self, resource: ServerlessPrivateEndpoint, values: Collection[EndpointStatus]) -> str | None:
        """Return why a resource cannot have an endpoint beside these, since an instance is in one cloud."""
        spec, shown = resource.spec, _providers(values)
        if not shown or spec.provider_name in shown:
            return None
        return (
            f"spec.providerName is {spec.provider_name}, but the endpoints of instance {spec.instance_name} are in"
            f" {' and '.join(one_line(each, limit=100) for each in shown)}. Correct providerName. providerName of an existing"
            " resource cannot change: delete the resource and create it again. Atlas keeps the endpoint unless deletionPolicy"
            " is Delete."
        )

    @override
    def harmless_writes(self, scope: Scope, values: Collection[EndpointStatus]) -> Iterable[Request]:
        """Return PATCHes without a change to an endpoint that cannot exist.

        Atlas checks the role before it looks for the endpoint. It rejects a PATCH with the provider of another cloud.
        """
        shown = _providers(values)
        for provider in sorted(NEEDED, key=lambda each: each not in shown):
            yield ENDPOINTS.update_of(scope, self.nobody, {"providerName": provider})


def _providers(endpoints: Collection[EndpointStatus]) -> Sequence[str]:
    return sorted({each.provider_name for each in endpoints if each.provider_name})


def cloud_values(endpoint: EndpointStatus | None, provider: str) -> Mapping[str, str] | None:
    """Return the data of the ConfigMap for the cloud's side, or None until Atlas shows all that it needs."""
    if endpoint is None:
        return None
    values = values_of(KEYS, {**endpoint.to_json(), "endpointId": endpoint.id})
    return values if values.keys() >= NEEDED[provider] else None


KIND = ServerlessPrivateEndpoints()

# Import.


def manifests(found: Iterable[Found], options: Options) -> Manifests:
    """Return the manifests of endpoints, which change nothing in Atlas when they are applied."""
    return (_manifest(each, options) for each in found)


def _manifest(found: Found, options: Options) -> NewManifest | LeftOut:
    endpoint: EndpointStatus = found.value
    if endpoint.status in KIND.going:
        return LeftOut(endpoint.id, "Atlas is deleting it", expected=True)
    # Some answers of Atlas lack the cloud; only endpoints in Azure have a private link service.
    inferred = "AZURE" if endpoint.private_link_service_resource_id else "AWS"
    spec = {
        "projectId": found.project_id,
        "instanceName": found.scope_name,
        "providerName": endpoint.provider_name or found.scope or inferred,
        "endpointId": endpoint.id,
    }
    in_atlas = {to_camel(name): getattr(endpoint, name) for name in Spec.sent}
    managed = {field: value for field, value in in_atlas.items() if value}
    spec = {**spec, **managed, **retained(options.credentials_secret)}
    name = fitting(found.scope_name, endpoint.id)
    return NewManifest(endpoint.id, name, options.namespace, spec, optional=managed.keys())


IMPORTER = Importer(
    KIND,
    manifests,
    flags=("instance",),
    list_scopes=list_instances,
    sources=("instance",),
    without={
        NotServerlessError: "is no longer a serverless instance and has no such endpoints",
        APIGoneError: "has no serverless private endpoints any more: Atlas has ended their API",
    },
)
