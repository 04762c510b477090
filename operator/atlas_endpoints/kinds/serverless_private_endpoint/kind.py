"""The kind ``ServerlessPrivateEndpoint``: an endpoint of a serverless instance, which Atlas reserves and then connects. Pure.

Source: the Atlas Admin API, "Serverless Private Endpoints".

A POST is not idempotent. So the comment of a new endpoint is a mark, by which a LIST finds it, and the status contains the
intention before the POST (see ``reconcile.creation``).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from pydantic.alias_generators import to_camel
from typing_extensions import override

from atlas_endpoints.atlas.errors import APIGoneError, NotServerlessError, one_line
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.cluster.api import Names
from atlas_endpoints.controller.cache import Body, annotations_of, uid_of
from atlas_endpoints.controller.requeue import NoRequeue, RequeueAfter, doubled
from atlas_endpoints.kinds.commands import KindWithCommands
from atlas_endpoints.kinds.connection_strings import Connected, output
from atlas_endpoints.kinds.importer import Found, Options
from atlas_endpoints.kinds.lives.imports import importer_of
from atlas_endpoints.kinds.lives.life import Facts, Life, may_appear
from atlas_endpoints.kinds.new_manifest import NewManifest, fitting, retained
from atlas_endpoints.kinds.parts.fields import values_of
from atlas_endpoints.kinds.parts.states import Dead, Going, States, Waits, Works
from atlas_endpoints.kinds.serverless_private_endpoint.calls import ENDPOINTS, INSTANCE, list_instances
from atlas_endpoints.kinds.serverless_private_endpoint.resource import (
    FIELD,
    MARK,
    EndpointStatus,
    Reservation,
    ServerlessPrivateEndpoint,
    Spec,
)
from atlas_endpoints.reconcile.compare import (
    Comparison,
    Treatment,
    catch_up,
    is_edit,
    not_as_desired,
    quoted,
    sends_next,
)
from atlas_endpoints.reconcile.creation import may_arrive_for
from atlas_endpoints.reconcile.decision import SOON, Create, Decision, Difference, State, Write
from atlas_endpoints.reconcile.outputs import Output
from atlas_endpoints.reconcile.reasons import EventReason, Progress, ReadyReason, Reason
from atlas_endpoints.reconcile.references import TEMPORARY
from atlas_endpoints.reconcile.resource import ENDPOINT_ANNOTATION, FORCE, EndpointRecord, Thing, part
from atlas_endpoints.reconcile.status import Cause, Creation
from atlas_endpoints.reconcile.waiting import RESET_AFTER, waiting, words

KEYS = ("endpointId", "endpointServiceName", "privateLinkServiceResourceId")
"""The keys of the ConfigMap for the cloud's side."""

CONNECTION_KEYS = ("clusterName", "connectionStringSrv", "endpointId", "providerName", "region")
"""The keys of the ConfigMap for applications: an instance has a DNS seed list only."""

NEEDED: Mapping[str, frozenset[str]] = {"AWS": frozenset(KEYS[:2]), "AZURE": frozenset(KEYS)}
"""The keys without which the cloud's side cannot be created."""


REPLACE_FIRST, REPLACE_LAST = 60.0, 3600.0
"""Seconds between the reservation of an endpoint and that of the next one if it was lost; doubled each time."""


class ServerlessReason(ReadyReason):
    """The reason of ``Ready`` that only this kind has."""

    RESERVATION_REQUESTED = "ReservationRequested", "False", Progress.RECONCILING


class ServerlessPrivateEndpoints(Life[ServerlessPrivateEndpoint]):
    """An entry is an endpoint; a scope is a serverless instance."""

    names = Names("atlas-endpoints.dev", "v1alpha1", "ServerlessPrivateEndpoint", "serverlessprivateendpoints")
    resource, entry = ServerlessPrivateEndpoint, EndpointStatus
    api = ENDPOINTS
    # Each one has its own time: a person takes any between two of them.
    states: ClassVar[States] = {
        "RESERVATION_REQUESTED": Waits(
            "Atlas is reserving the endpoint.", ServerlessReason.RESERVATION_REQUESTED, is_step=False
        ),
        "RESERVED": Waits("", Reason.WAITING_FOR_CLOUD_ENDPOINT, is_step=False),
        "INITIATING": Waits("Atlas is connecting the endpoint.", is_step=False),  # after the ID of the cloud was sent
        "AVAILABLE": Works(),
        "FAILED": Dead(),
        "DELETING": Going(),
    }
    reads: ClassVar = {"instance": INSTANCE}
    reasons = (*Reason, *ServerlessReason)
    busy = KindWithCommands.busy | {ServerlessReason.RESERVATION_REQUESTED}
    scope_noun = "instance"
    keeps_confirmed = False  # another endpoint is reserved for one that is gone

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

    # Decisions about a live resource.

    @override
    def decide(self, facts: Facts) -> Decision:
        entry = facts.resource.entry
        if entry is None:
            return self._without_endpoint(facts)
        endpoint = facts.view.value(entry)
        return self._absent(facts, entry) if endpoint is None else self.present(facts, endpoint)

    @override
    def present(self, facts: Facts, entry: EndpointStatus) -> Decision:
        spec, shown = facts.resource.spec, one_line(entry.provider_name or "", limit=100)
        if entry.provider_name not in {None, spec.provider_name}:
            message = (
                f"spec.providerName is {spec.provider_name}, but the provider of the endpoint in Atlas is {shown}, so the operator sends"
                f" nothing. providerName is immutable: delete this resource, and create it again with providerName {shown}. Atlas keeps"
                " the endpoint, unless deletionPolicy is Delete. Set deletionPolicy to Delete first only if this resource reserved the"
                " endpoint by mistake."
            )
            return Decision(State(Reason.INVALID_SPEC, message), seen=entry)
        decision = super().present(facts, entry)
        if facts.forced and facts.desired and entry.status == "FAILED" and entry.endpoint_service_name:
            write = replace(self.update(facts, entry, facts.desired), cause=Cause.FORCED, touches=(entry.id,))
            decision = replace(decision, write=write)
        state = _with_references(facts, entry, decision.state)
        if decision.write is not None and facts.done is None:  # if it is not sent, Atlas may be connecting all the same
            state = replace(state, requeue=facts.polls if entry.status == "INITIATING" else NoRequeue())
        return replace(decision, state=state)

    @override
    def takes(self, facts: Facts, entry: EndpointStatus, field: str) -> bool:
        connects = field in facts.resource.connection
        match entry.status:
            case "AVAILABLE":
                return True
            case "RESERVED":
                return not connects or FIELD in facts.desired  # an address alone is no connection
            case "FAILED":
                return bool(entry.endpoint_service_name)
            case "INITIATING":
                return not connects
            case _:
                return False

    @override
    def update(self, facts: Facts, entry: EndpointStatus, fields: Mapping[str, str]) -> Write:
        names, connection = fields.keys(), facts.resource.connection.keys()
        if entry.status in {"RESERVED", "FAILED"} and connection & names:
            names |= connection  # it is sent as a whole: Azure's ID and address belong together
        fields = {name: value for name, value in facts.desired.items() if name in names}
        # Atlas requires the provider; an empty comment clears it.
        body = {"providerName": facts.resource.spec.provider_name, **fields}
        return Write(ENDPOINTS.update_of(facts.scope, entry.id, body), fields=fields)

    @override
    def in_its_state(self, facts: Facts, entry: EndpointStatus, found: Comparison) -> Decision:
        is_dead = facts.done is None and entry.status == "FAILED"
        if not is_dead and (state := sends_next(found)) is not None:
            return Decision(state)
        since, differences = self.since(facts, entry), found.differences
        if entry.status in {"AVAILABLE", "FAILED"} and _connects(found.lagging, facts):
            message = "Atlas accepted the change and has not started to connect the endpoint yet."
            return Decision(waiting(facts, Reason.INITIATING, message, since, differences))
        if entry.status == "DELETING":
            message = (
                "Atlas is deleting the endpoint, which cannot be stopped, and the operator sends nothing more. Delete this resource. If"
                " you need an endpoint, reserve another one and create a resource for it."
            )
            return Decision(waiting(facts, Reason.DELETING, message, since, differences))
        return super().in_its_state(facts, entry, found)

    @override
    def waits(self, facts: Facts, entry: EndpointStatus, found: Comparison, meaning: Waits) -> Decision:
        if entry.status == "RESERVED":
            reserved = self._reserved_and_connected if FIELD in facts.desired else self._reserved
            return Decision(reserved(facts, entry, found))
        decision, pending = super().waits(facts, entry, found, meaning), _pending(found, facts)
        if entry.status != "INITIATING" or not pending:
            return decision
        said = decision.state.message
        return replace(decision, state=replace(decision.state, message=said + pending, observed=said))

    def _reserved(self, facts: Facts, endpoint: EndpointStatus, found: Comparison) -> State:
        """Return the state of a reservation that waits for the private endpoint in the user's cloud."""
        if any(each not in found.by_treatment[Treatment.WAIT] for each in found.differences):
            return not_as_desired(found, facts)
        service, requeue = endpoint.endpoint_service_name, catch_up(found)
        if not service:
            message = "The endpoint is reserved. Atlas has not named the service to connect to yet."
            requeue = facts.polls
        elif endpoint.provider_name == "AZURE" or endpoint.private_link_service_resource_id:
            target = endpoint.private_link_service_resource_id or "the private link service of the endpoint"
            message = (
                f"The endpoint is reserved. In Azure, create a private endpoint with a manual connection named {service} to"
                f" {target}; then set spec.cloudProviderEndpointId and spec.privateEndpointIpAddress."
            )
        else:
            message = (
                f"The endpoint is reserved. In AWS, create an interface VPC endpoint to the service {service}; then set"
                " spec.cloudProviderEndpointId."
            )
        return State(Reason.WAITING_FOR_CLOUD_ENDPOINT, message, requeue, found.differences)

    def _reserved_and_connected(self, facts: Facts, endpoint: EndpointStatus, found: Comparison) -> State:
        """Return the state of a reservation whose private endpoint is known, and which Atlas has to connect."""
        if _connects(found.differences, facts) and not _connects(found.by_treatment[Treatment.SETTLE], facts):
            return not_as_desired(found, facts)
        # The reservation may be old: the time counts from when the cloud's endpoint id was sent.
        seen, confirmed_at = self.since(facts, endpoint), facts.baseline.confirmed_at
        message = "Atlas accepted the ID of the private endpoint and has not started to connect it yet."
        return waiting(facts, Reason.INITIATING, message, max(seen, confirmed_at or seen), found.differences)

    @override
    def dead(self, facts: Facts, entry: EndpointStatus, check: str, found: Comparison) -> Decision:
        said = f"Message from Atlas: {words(entry.error_message)}"
        what = "Atlas reports that the endpoint failed."
        remedy = f"Fix the cause. Then change spec.cloudProviderEndpointId, or {FORCE} to send the same values again."
        if not entry.endpoint_service_name:
            what = "Atlas could not reserve the endpoint, so nothing can connect to it."
            remedy = "Reserve another one in Atlas, and name it in a new resource."
        message, observed = f"{what} {remedy} {said}", f"{what} {said}"
        state = State(Reason.ENDPOINT_FAILED, message, catch_up(found), found.differences, observed=observed)
        return Decision(state)

    # Reservations.

    def _absent(self, facts: Facts, entry: str) -> Decision:
        """Decide about an endpoint that Atlas does not show."""
        reservation = facts.resource.status.reservation
        if not _replaces_lost(facts) or reservation is None:
            return Decision(State(Reason.ENDPOINT_NOT_FOUND, "Atlas has no endpoint with this ID."), absent=entry)
        lasted = facts.now - reservation.requested_at
        wait = doubled(REPLACE_FIRST, reservation.attempt - 1, REPLACE_LAST) - lasted.total_seconds()
        if wait > 0 and facts.policy == "Manage":
            message = (
                "The reserved endpoint no longer exists in Atlas: it has expired or was deleted. The operator reserves another one, after"
                " a wait that doubles each time."
            )
            state = State(ServerlessReason.RESERVATION_REQUESTED, message, RequeueAfter(wait))
            return Decision(state, absent=entry)
        attempt = 1 if lasted >= RESET_AFTER else reservation.attempt + 1
        return replace(self._reserve(facts, attempt), absent=entry)

    def _without_endpoint(self, facts: Facts) -> Decision:
        """Decide about a resource that has no endpoint (yet)."""
        record, recorded = facts.resource.metadata.endpoint_record, None
        if record is not None and facts.resource.status.reservation is None:
            recorded = record.endpoint_id
            seen = facts.view.entries.get(recorded)
            if not (_replaces_lost(facts) and seen is not None and seen.value is None):
                message = "The operator takes over the endpoint that the annotation of an earlier resource names."
                adopted = Reservation(requested_at=facts.now, endpoint_id=recorded, adopted=True)
                unseen = recorded if _replaces_lost(facts) and seen is None else None
                state, own = State(Reason.PENDING, message, SOON), {"reservation": adopted, "endpoint": None}
                return Decision(state, absent=unseen, own=own, leaves_open=True)
        before = facts.previous.creation
        attempt = before.attempt if before is not None else 1
        # Endpoints in DELETING, and those of other resources, are not adopted.
        marked = [each for each in _marked_for(facts) if each.status != "DELETING"]
        if not marked:
            return replace(self._reserve(facts, attempt), absent=recorded)
        endpoint = min(marked, key=lambda each: (each.cloud_provider_endpoint_id is None, each.id))
        # It is recorded before anything else is done with it.
        requested_at = before.requested_at if before is not None else facts.now
        reservation = Reservation(requested_at=requested_at, endpoint_id=endpoint.id, attempt=attempt)
        state = replace(self.present(facts, endpoint).state, requeue=SOON)
        return Decision(state, seen=endpoint, own={"reservation": reservation})

    def _reserve(self, facts: Facts, attempt: int) -> Decision:
        write = replace(self.creation(facts), attempt=attempt)
        return Decision(State(write.reason, write.intended, SOON), write)

    @override
    def creation(self, facts: Facts) -> Create:
        mark = facts.resource.created_as
        return Create(
            ENDPOINTS.creation_of(facts.scope, {"comment": mark}),
            Cause.RESERVATION,
            planned="reserves an endpoint",
            touches=(mark,),
            name=mark,
            reason=ServerlessReason.RESERVATION_REQUESTED,
            intended="The operator is about to reserve an endpoint.",
            searched="An endpoint may already be reserved. The operator looks for it in Atlas before it reserves another one.",
        )

    # Decisions about a deleted resource.

    @override
    def followed(self, facts: Facts) -> EndpointStatus | None:
        """Return the endpoint of a resource that goes, or one that was reserved beside it and that nobody has connected."""
        entry, marked = facts.resource.entry, _marked_for(facts)
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


def _with_references(facts: Facts, endpoint: EndpointStatus, state: State) -> State:
    """Report a reference that cannot be resolved, unless something else is more urgent."""
    problem, connected = facts.problem, endpoint.cloud_provider_endpoint_id
    if problem is not None and connected and state.reason is Reason.REFERENCE_NOT_READY:
        kept = f"Until the reference is resolved, Atlas keeps the connection to {connected}."
        return replace(state, message=f"{problem.message} {kept}")
    if problem is None or state.reason is not Reason.WAITING_FOR_CLOUD_ENDPOINT:
        return state
    if problem.reason not in TEMPORARY:
        return replace(state, reason=Reason.REFERENCE_NOT_READY, message=problem.message)
    service, link = endpoint.endpoint_service_name, endpoint.private_link_service_resource_id
    what = f"{link} with a manual connection named {service}" if link else f"the service {service}"
    return replace(state, message=f"The endpoint is reserved; connect to {what}. {problem.message}")


def _marked_for(facts: Facts) -> Sequence[EndpointStatus]:
    """Return the endpoints that were reserved for the resource and that no other resource has."""
    found, own = facts.view.labelled.get(facts.resource.created_as, ()), facts.resource.entry
    return [each for each in found if each.id != own and not facts.is_claimed_by_other(each.id)]


def _replaces_lost(facts: Facts) -> bool:
    """Return whether to reserve another endpoint when this one disappears from Atlas: that is drift, too."""
    spec = facts.resource.spec
    return spec.endpoint_id is None and spec.drift_policy == "Correct"


def _connects(differences: Iterable[Difference], facts: Facts) -> bool:
    return any(each.field in facts.resource.connection for each in differences)


def _pending(found: Comparison, facts: Facts) -> str:
    """Return a sentence about the changes that are sent as soon as Atlas accepts them."""
    corrects = facts.resource.spec.drift_policy == "Correct"
    late = [each for each in found.by_treatment[Treatment.WAIT] if corrects or is_edit(each, facts)]
    changes = " and ".join(f"{each.field} to {quoted(each.desired)}" for each in late)
    return f" The operator changes {changes} when the endpoint is connected." if late else ""


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


def _manifest(found: Found, options: Options) -> NewManifest:
    endpoint: EndpointStatus = found.value
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


IMPORTER = replace(
    importer_of(KIND, lambda found: found.value.id, _manifest),
    flags=("instance",),
    list_scopes=list_instances,
    sources=("instance",),
    without={
        NotServerlessError: "is no longer a serverless instance and has no such endpoints",
        APIGoneError: "has no serverless private endpoints any more: Atlas has ended their API",
    },
)
