"""The kind ``DedicatedPrivateEndpoint``: an endpoint of the user's network in the service of a region. Pure.

First the service of its region, then the regions from which others may connect to it, then the endpoint. A deletion goes the other
way. Atlas has no update of an endpoint, so what differs is reported.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

from typing_extensions import override

from atlas_endpoints.atlas.errors import AtlasError, EndpointAbsentError, RateLimitedError
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.cluster.api import Names
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.controller.requeue import NoRequeue, RequeueAfter, at_latest
from atlas_endpoints.kinds.clusters import CLUSTERS, REGIONAL_MODE
from atlas_endpoints.kinds.connection_strings import Connected, output
from atlas_endpoints.kinds.dedicated_private_endpoint import remote_regions, second_region
from atlas_endpoints.kinds.dedicated_private_endpoint.calls import CHANGES, CLUSTER, ENDPOINTS, SERVICES
from atlas_endpoints.kinds.dedicated_private_endpoint.remote_regions import NO_CHANGE, Regions
from atlas_endpoints.kinds.dedicated_private_endpoint.resource import (
    DedicatedPrivateEndpoint,
    Endpoint,
    EndpointStatus,
    Service,
    ServiceStatus,
    service_key,
)
from atlas_endpoints.kinds.dedicated_private_endpoint.service import (
    READY,
    DedicatedReason,
    delete_service,
    is_created_in,
    is_known,
    not_ready,
    readiness,
    service_of,
    shown_in_status,
    without_service,
)
from atlas_endpoints.kinds.lives.life import Facts, may_appear
from atlas_endpoints.kinds.lives.registered import Registered, named_in, waiting_for_cloud
from atlas_endpoints.kinds.parts.fields import values_of
from atlas_endpoints.kinds.parts.states import Dead, Going, States, Waits, Works
from atlas_endpoints.reconcile.creation import may_arrive_for
from atlas_endpoints.reconcile.decision import POLL, SOON, Decision, Get, State, Write
from atlas_endpoints.reconcile.facts import is_forced
from atlas_endpoints.reconcile.kind import Named
from atlas_endpoints.reconcile.outputs import Output
from atlas_endpoints.reconcile.reasons import DeprecatedReason, EventReason, Reason
from atlas_endpoints.reconcile.resource import part
from atlas_endpoints.reconcile.status import Cause, Creation, Finding
from atlas_endpoints.reconcile.waiting import same_id, until_next_look

KEYS = (
    "serviceId",
    "endpointServiceName",
    "privateLinkServiceName",
    "privateLinkServiceResourceId",
    "serviceAttachmentNames",
)
"""The keys of the ConfigMap for the cloud's side."""

HINT = (
    "Atlas makes private strings some minutes after the endpoint is available, for a cluster that has nodes in this cloud and region,"
    " and only when each of its regions has an endpoint; for a replica set perhaps for one endpoint of a region only. If they do not"
    " come, see whether the project names its own strings (project setting privateEndpointConnectionStringsEnabled). A sharded cluster in several regions has a string for each of them only in"
    " regional mode (PrivateEndpointRegionalMode)."
)

LEGACY = (
    "Atlas has announced that endpoints without port mapping stop working on 2027-04-30. Create a resource with"
    " gcp.portMappingEnabled true in the same region, move the applications to it, and delete this one."
)

LISTED_ONLY = 600.0
"""Seconds until an endpoint that a LIST shows and no GET is looked for again, at most."""

_CONNECTS = Waits("Atlas is connecting {what}.{doubt}")
_DEAD = Dead(
    " Check in the cloud that it exists, connects to the service in status.service, and is in the region of that service (on"
    " AWS, or in one of supportedRemoteRegions)."
)


class DedicatedPrivateEndpoints(Registered[DedicatedPrivateEndpoint]):
    """An entry is a service, or an endpoint of one; a scope is a cloud provider in a project."""

    names = Names("atlas-endpoints.dev", "v1alpha1", "DedicatedPrivateEndpoint", "dedicatedprivateendpoints")
    resource, entry = DedicatedPrivateEndpoint, Endpoint
    reasons = (*Reason, *DedicatedReason)
    preceding = frozenset({DedicatedReason.SERVICE_INITIATING})
    scope_noun, scopes = "provider", ("AWS", "AZURE", "GCP")
    api, further = ENDPOINTS, (SERVICES, CHANGES)
    reads: ClassVar = {"cluster": CLUSTER, "clusters": CLUSTERS, "regionalMode": REGIONAL_MODE}
    states: ClassVar[States] = {  # the clouds have different ones
        "AVAILABLE": Works(),
        **dict.fromkeys(("PENDING_ACCEPTANCE", "PENDING", "INITIATING", "VERIFIED", "NONE"), _CONNECTS),
        **dict.fromkeys(("REJECTED", "FAILED"), _DEAD),
        **dict.fromkeys(("DELETING", "DELETED"), Going()),
    }
    keep = (
        " To keep the endpoint service meanwhile, first create another resource of the region that names no private endpoint (Google"
        " Cloud: with the same portMappingEnabled)."
    )

    # Plain JSON, and answers.

    @override
    def entry_of(self, body: Body) -> str | None:
        service_id, named = part(part(body, "status"), "service").get("id"), self.named_by(body).endpoint
        return f"{service_id}/{named}" if isinstance(service_id, str) and named is not None else None

    @override
    def named_by(self, body: Body) -> Named:
        """Return the endpoint that an object names, and the service of its region, which others may share.

        This is much faster than to parse the object.
        """
        spec = part(body, "spec")
        is_legacy = part(spec, "gcp").get("portMappingEnabled") is False
        named = part(spec, "gcp").get("endpointGroupName") if is_legacy else spec.get("cloudProviderEndpointId")
        shared = service_key(str(spec.get("providerName")), str(spec.get("region")), is_legacy=is_legacy)
        return named_in(body, named, shared)

    @override
    def shown_in(self, status: Mapping[str, Any]) -> Collection[str]:
        names = ("service", "endpoint")
        return tuple(id_ for name in names if isinstance(id_ := part(status, name).get("id"), str))

    @override
    def parent_of(self, entry: str) -> str | None:
        return entry.partition("/")[0] if "/" in entry else None

    @override
    def called(self, entry: str) -> str:
        service, _, endpoint = entry.partition("/")
        return f"Endpoint {endpoint}" if endpoint else f"Endpoint service {service}"

    @override
    def in_atlas(self, status: Any, entry: str | None) -> Sequence[str]:
        if (service := status.service) is None:
            return ()
        endpoint = status.endpoint
        return (service.id,) if endpoint is None else (f"{service.id}/{endpoint.id}", service.id)

    @override
    def list_request(self, scope: Scope) -> Request:
        return SERVICES.list_of(scope)

    @override
    def get_request(self, scope: Scope, entry: str) -> Request:
        is_of_service = "/" not in entry and entry not in self.reads
        return SERVICES.get_of(scope, entry) if is_of_service else super().get_request(scope, entry)

    @override
    def listed(self, item: Any) -> tuple[str, Service] | None:
        found = Service.read(item)
        return None if found is None else (found.id, found)

    @override
    def got(self, entry: str, answer: Any) -> Any | None:
        if entry in self.reads:
            return super().got(entry, answer)
        service_id, _, endpoint_id = entry.partition("/")
        return Endpoint.named(endpoint_id, answer) if endpoint_id else Service.named(service_id, answer)

    @override
    def written(self, write: Write, answer: Any) -> tuple[str, Any] | None:
        is_of_service = write.request.operation in {CHANGES.create, CHANGES.update}
        return self.listed(answer) if is_of_service else super().written(write, answer)

    @override
    def is_outdated(self, error: AtlasError) -> bool:
        """Return whether a refusal only shows that the observation is outdated.

        The region has a service already, or the service has the endpoint already, is gone, does not take any yet, or still has some.
        """
        if error.operation == ENDPOINTS.create and isinstance(error, EndpointAbsentError):
            return True
        ends = ("ALREADY_EXISTS_FOR_REGION", "ENDPOINT_ALREADY_EXISTS", "CANNOT_ACCEPT_ENDPOINTS", "_WITH_ENDPOINTS")
        return not isinstance(error, RateLimitedError) and (error.error_code or "").endswith(ends)

    # Decisions about a live resource.

    @override
    def decide(self, facts: Facts) -> Decision:
        if facts.done is not None and facts.done.write.request.operation == SERVICES.delete:
            message = "Atlas is deleting the endpoint service that failed. Then the operator creates another one."
            conditions = {"ServiceReady": readiness(None)}
            state = State(DedicatedReason.SERVICE_INITIATING, message, POLL, conditions=conditions)
            return Decision(state, own={"service": None, "endpoint": None})
        service, known = service_of(facts), facts.resource.status.service
        decision = without_service(facts) if service is None else self._with_service(facts, service)
        if known is not None and (service is None or not is_known(facts, service)):
            decision = replace(decision, absent=known.id)  # a LIST may lag
        conditions = {"ServiceReady": readiness(service)}
        if facts.resource.spec.is_legacy:
            conditions["Deprecated"] = Finding("True", DeprecatedReason.DEPRECATED, LEGACY)
        state = replace(decision.state, conditions=conditions)
        if decision.write is not None and facts.done is None:
            state = replace(state, requeue=RequeueAfter(until_next_look(facts)))  # if it is not sent
        if service is not None and _is_half_done(facts, service):
            decision = replace(decision, leaves_open=True)
        return replace(decision, state=state)

    def _with_service(self, facts: Facts, service: Service) -> Decision:
        own: dict[str, Any] = {"service_creation": None}
        regions = Regions.of(facts, service)
        if facts.forced and facts.done is None and service.status == "DELETING":
            own["service"] = None  # as after the DELETE of this request, whose answer may be lost
        elif facts.done is not None or service.status != "DELETING" or is_known(facts, service):
            shown = shown_in_status(facts, service)
            own["service"] = shown.model_copy(update={"remote_regions": regions.recorded})
        if facts.resource.endpoint_id is None:
            own["endpoint"] = None
        decision = self._on_service(facts, service, regions)
        return replace(decision, own={**own, **decision.own})

    def _on_service(self, facts: Facts, service: Service, regions: Regions) -> Decision:
        resource, endpoint_id = facts.resource, facts.resource.endpoint_id
        if service.status not in READY:
            decision = not_ready(facts, service)
            if service.status == "FAILED" and not is_known(facts, service):
                # After a deletion on request, a LIST that lags still shows it.
                decision = replace(decision, gets=(Get(service.id, beyond_list=True),))
            return decision
        if (endpoint_id is not None or resource.spec.supported_remote_regions) and not _is_recorded(facts, service):
            # Before anything is registered or adopted, the status names the service, and the value that a reference is bound to.
            message = "The endpoint service is ready. The operator goes on with it next."
            return Decision(State(Reason.PENDING, message, POLL), status_first=True)
        decision = self._on_endpoint(facts, service)
        asks_more = regions.is_sent and endpoint_id is not None and is_forced(resource)
        if asks_more and self._on_endpoint(replace(facts, forced=True, done=None), service).write is not None:
            # The request asked for the endpoint as well, which is dead or lost.
            return replace(decision, state=replace(decision.state, requeue=SOON), leaves_open=True)
        write = remote_regions.update(facts, service, regions, repeats=facts.forced and decision.write is None)
        if write is None:
            return remote_regions.with_problem(facts, service, regions, decision)
        if write.cause is Cause.DRIFT and decision.write is not None:
            return decision
        # An edit comes first: the endpoint may be in the region that it adds.
        follows = "" if decision.write is None or not decision.write.planned else f" Then it {decision.write.planned}."
        return replace(decision, state=remote_regions.state_of(write, follows), write=write)

    def _on_endpoint(self, facts: Facts, service: Service) -> Decision:
        """Decide about the endpoint that the spec names, of which the LIST shows only that there is one."""
        entry, endpoint_id, endpoint = facts.resource.entry, facts.resource.endpoint_id, self.followed(facts)
        is_deleted = facts.done is not None and facts.done.write.request.operation == ENDPOINTS.delete
        is_listed = endpoint_id is not None and service.shows(endpoint_id)
        if entry is not None and endpoint is None and is_listed and not is_deleted:
            return self._only_listed(facts, entry)
        decision = super().decide(facts)
        if entry is None or (endpoint is None and is_deleted and is_listed):
            return decision
        if endpoint is None:
            # A LIST alone proves no absence of what Atlas has shown before.
            gets: tuple[Get, ...] = (Get(entry),) if is_deleted or decision.absent is not None else ()
            gets += second_region.reads(facts, service) if decision.write is not None else ()
            return replace(decision, absent=None, gets=gets)
        if isinstance(decision.state.requeue, NoRequeue):
            decision = replace(decision, state=replace(decision.state, requeue=RequeueAfter(until_next_look(facts))))
        is_settled = endpoint.status == "AVAILABLE" and decision.write is None
        is_on_its_way = isinstance(self.states.get(endpoint.status or ""), Waits)
        beside = second_region.reads(facts, service) if is_on_its_way else ()
        return replace(decision, gets=(Get(entry, is_settled), *beside))

    def _only_listed(self, facts: Facts, entry: str) -> Decision:
        called = f"endpoint {facts.resource.endpoint_id}"
        if facts.view.entries.get(entry) is None:
            return Decision(State(Reason.PENDING, f"Atlas lists {called}.", POLL), gets=(Get(entry),))
        message = f"Atlas lists {called}, and answers that it does not exist. The operator looks again."
        requeue = at_latest(facts.as_long_again, min(until_next_look(facts), LISTED_ONLY))
        # A LIST after the GET.
        return Decision(State(Reason.PENDING, message, requeue), absent=entry, gets=(Get(entry),))

    @override
    def waits_for_cloud(self, facts: Facts) -> State:
        spec, service = facts.resource.spec, service_of(facts) or ServiceStatus(id=self.nobody)
        match spec.provider_name:
            case "AWS":
                target = service.endpoint_service_name or "that Atlas has not named yet"
                create = f"In AWS, create an interface VPC endpoint to the service {target}"
            case "AZURE":
                target = (
                    service.private_link_service_resource_id or "the private link service that Atlas has not named yet"
                )
                named = f" named {service.private_link_service_name}" if service.private_link_service_name else ""
                create = f"In Azure, create a private endpoint with a manual connection{named} to {target}"
            case _:
                count = len(service.service_attachment_names)
                target = f"each of the {count} service attachments" if count > 1 else "the service attachment"
                create = (
                    f"In Google Cloud, create a forwarding rule to {target} in status.service.serviceAttachmentNames"
                )
        of_group = ["spec.gcp.endpointGroupName", "spec.gcp.endpoints"] if spec.is_legacy else []
        return waiting_for_cloud(facts, f"The endpoint service is ready. {create}", of_group)

    @override
    def doubt(self, facts: Facts) -> str:
        """Return sentences about forwarding rules that are fewer or more than Google's attachments, and about a second region."""
        spec, service = facts.resource.spec, service_of(facts)
        count = 0 if service is None else len(service.service_attachment_names)
        if not spec.is_legacy or len(spec.rules) == count:
            return "" if service is None else second_region.doubt(facts, service)
        return (
            f" Each service attachment needs one forwarding rule. Service attachments in status.service: {count}; rules in"
            f" spec.gcp.endpoints: {len(spec.rules)}. Delete this resource with deletionPolicy Delete, wait until it is gone, and create"
            " it again with a rule for each of them."
        )

    @override
    def creation(self, facts: Facts) -> Write:
        resource = facts.resource
        body = resource.spec.registration(resource.endpoint_id)
        request = ENDPOINTS.creation_of(facts.scope, body, resource.status.service.id)
        return Write(request, doubt=self.doubt(facts), touches=(resource.entry, resource.written_as))

    @override
    def shown(self, facts: Facts, entry: Endpoint, since: datetime) -> EndpointStatus:
        """Return what the status shows of an endpoint; the letter case that was shown first stays."""
        known = facts.resource.status.endpoint
        id_ = known.id if known is not None and same_id(known.id, entry.id) else entry.id
        return EndpointStatus.model_validate({**dict(entry), "id": id_, "status_since": since})

    @override
    def deletion(self, facts: Facts, entry: Endpoint, cause: Cause | None) -> Write:
        resource = facts.resource
        request = ENDPOINTS.deletion_of(facts.scope, resource.entry)
        touches = (resource.entry, resource.written_as)
        return Write(request, cause, names=("endpoint",), touches=touches, reads=resource.entry, deletes=resource.thing)

    # Decisions about a deleted resource.

    @override
    def decide_deletion(self, facts: Facts) -> Decision:
        status, service, entry = facts.resource.status, service_of(facts), facts.resource.entry
        is_new = service is not None and not is_known(facts, service) and facts.resource.endpoint_id is not None
        if service is not None and (is_new or status.service_creation is not None):
            message = "The operator has found the endpoint service of this resource."
            own = {"service": shown_in_status(facts, service), "service_creation": None}
            return Decision(State(Reason.DELETING, message, SOON), own=own)
        if service is None or entry is None:
            return self.nothing_left(facts)
        if entry not in facts.view.entries:  # the LIST is no proof, it may lag
            message = f"The operator looks whether endpoint {facts.resource.endpoint_id} is registered."
            return Decision(State(Reason.DELETING, message, POLL), gets=(Get(entry),))
        decision = super().decide_deletion(facts)
        return decision if self.followed(facts) is None else replace(decision, gets=(Get(entry),))

    @override
    def nothing_left(self, facts: Facts) -> Decision:
        status, service, entry = facts.resource.status, service_of(facts), facts.resource.entry
        gets = () if service is None or entry is None else (Get(entry),)
        left = may_arrive_for(status.service_creation, facts.now, facts.arrives_for)
        is_deleted = status.endpoint is not None and status.endpoint.status in self.going
        if facts.resource.endpoint_id is not None and (not is_deleted or facts.uncertain):
            left = max(left, facts.arrives_for, facts.unknown_for)
        if left > 0:
            return replace(may_appear(facts, left), gets=gets)
        return delete_service(facts, service, gets)

    # What a resource tells.

    @override
    def news(self, previous: Mapping[str, Any], status: Mapping[str, Any]) -> Iterator[tuple[EventReason, str]]:
        before, service = part(previous, "service").get("id"), part(status, "service")
        new = service.get("id")
        if before is not None and new != before:
            yield EventReason.SERVICE_LOST, f"Endpoint service {before} no longer exists in Atlas."
        if new not in {None, before} and "serviceCreation" in previous and service.get("origin") == "Created":
            yield EventReason.SERVICE_CREATED, f"The operator created endpoint service {new} for this resource."
        yield from super().news(previous, status)

    @override
    def took_over(self, status: Any, other: Body) -> bool:
        service = status.service
        return service is None or service.origin != "Created" or is_created_in(other, service.id)

    @override
    def intended(self, facts: Facts, creation: Creation) -> Mapping[str, Any]:
        return {"service_creation": creation}

    @override
    def not_created(self, facts: Facts, name: str) -> Mapping[str, Any]:
        return {"service_creation": None}

    @override
    def outputs(self, resource: DedicatedPrivateEndpoint, own: Mapping[str, Any]) -> Sequence[Output]:
        spec, found = resource.spec, []
        service = own.get("service", resource.status.service)
        endpoint = own.get("endpoint", resource.status.endpoint)
        if (reference := spec.output_config_map_ref) is not None:
            found.append(Output(reference.name, KEYS, service_values(service)))
        endpoint_id = endpoint.id if endpoint is not None else ""
        region = spec.region if service is None or service.region is None else service.region
        is_available = endpoint is not None and endpoint.status == "AVAILABLE"
        connected = Connected(endpoint_id, spec.provider_name, region) if is_available else None
        for each in spec.connection_strings:
            name = each.config_map_ref.name
            strings = output(name, CLUSTER, each.cluster_name, endpoint_id=endpoint_id, wanted=connected)
            found.append(replace(strings, hint=HINT))
        return found

    # Commands.

    @override
    def unnamed(
        self, scope: Scope, entries: Mapping[str, Any], named: Collection[Named]
    ) -> Mapping[str, Sequence[str]]:
        """Return the services in whose region no object is, and the endpoints that none names there."""
        regions = {each.shared for each in named}
        known = {(each.shared, each.endpoint.casefold()) for each in named if each.endpoint is not None}
        found: dict[str, list[str]] = {"Endpoint services": [], "Endpoints": []}
        for each in entries.values():
            region = each.region or ""
            is_legacy = scope.name == "GCP" and not each.port_mapping_enabled
            shared = service_key(scope.name, region, is_legacy=is_legacy)
            if shared not in regions:
                found["Endpoint services"].append(f"{each.id} in {region}")
            ids = (id_ for id_ in each.endpoint_ids if (shared, id_.casefold()) not in known)
            found["Endpoints"] += [f"{id_} in {region}" for id_ in ids]
        return found

    @override
    def mismatch(self, resource: DedicatedPrivateEndpoint, values: Collection[Any]) -> str | None:
        """Return why a resource contradicts the services: its endpoint is in another region, and not in its own."""
        spec, endpoint_id = resource.spec, resource.endpoint_id
        if endpoint_id is None or spec.gcp is not None:  # names in Google Cloud are not unique
            return None
        found = [each for each in values if isinstance(each, Service) and each.shows(endpoint_id)]
        if not found or any(map(spec.is_served_by, found)):
            return None
        return (
            f"spec.region is {spec.region}, but Atlas shows endpoint {endpoint_id} in region {found[0].region}, and one of the two"
            " is wrong. If it is the spec, correct region; that of an existing resource cannot change: delete the resource and create"
            f" it again. If region is right, the registration in {found[0].region} is left over: delete it in Atlas."
        )

    @override
    def harmless_writes(self, scope: Scope, values: Collection[Any]) -> Iterable[Request]:
        """Return a PATCH without a change, and a DELETE; Atlas checks the role before it looks for the service."""
        return CHANGES.update_of(scope, self.nobody, NO_CHANGE), SERVICES.deletion_of(scope, self.nobody)


def _is_half_done(facts: Facts, service: Service) -> bool:
    """Return whether a request that has made the service has to register the endpoint, too, which is otherwise only reported."""
    done, spec = facts.done, facts.resource.spec
    is_requested = facts.forced or (done is not None and done.write.cause is Cause.FORCED)
    waits = service.status == "INITIATING" and facts.resource.endpoint_id is not None
    return is_requested and waits and spec.drift_policy != "Correct"


def _is_recorded(facts: Facts, service: Service) -> bool:
    """Return whether the status shows the service as it is, and the values of references.

    If the endpoint is refused then, the status still shows what to connect to.
    """
    resource, known = facts.resource, facts.resource.status.service
    is_shown = known is not None and known.status == service.status
    is_bound = all(resource.same(field, resource.bound(field), value) for field, value in facts.desired.items())
    return is_shown and is_known(facts, service) and (is_bound or not resource.references)


def service_values(service: ServiceStatus | None) -> Mapping[str, str] | None:
    """Return the data of the ConfigMap for the cloud's side, or None until Atlas shows all of it."""
    if service is None or service.status not in READY:
        return None
    shown = {
        **service.to_json(),
        "serviceId": service.id,
        "serviceAttachmentNames": ",".join(service.service_attachment_names),
    }
    values = values_of(KEYS, shown)
    return values if len(values) > 1 else None


KIND = DedicatedPrivateEndpoints()
