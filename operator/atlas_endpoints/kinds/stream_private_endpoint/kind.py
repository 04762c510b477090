"""The kind ``StreamPrivateEndpoint`` for the reconcile layer and the commands, and its ConfigMap. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from typing_extensions import override

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.cluster.api import Names
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.controller.requeue import NoRequeue, RequeueAfter
from atlas_endpoints.kinds.made_by_atlas import EARLY_FIRST, FAILED, Facts, MadeByAtlas, others_of, some_of
from atlas_endpoints.kinds.refusals import says_that_it_exists
from atlas_endpoints.kinds.regions import doubt
from atlas_endpoints.kinds.stream_private_endpoint import atlas
from atlas_endpoints.kinds.stream_private_endpoint.atlas import Connection, ConnectionState
from atlas_endpoints.kinds.stream_private_endpoint.resource import (
    GOING,
    SCOPE,
    AccountStatus,
    ConnectionStatus,
    Spec,
    StreamPrivateEndpoint,
    target_in,
)
from atlas_endpoints.kinds.stream_private_endpoint.services import ManagedField, contradiction
from atlas_endpoints.reconcile.compare import (
    Comparison,
    Treatment,
    available,
    cause_of,
    compare,
    described,
    is_edit,
    sends_next,
)
from atlas_endpoints.reconcile.creation import may_arrive_for
from atlas_endpoints.reconcile.decision import Create, Decision, Difference, Done, Get, State, Write, WriteResult
from atlas_endpoints.reconcile.kind import Named
from atlas_endpoints.reconcile.outputs import Output
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.resource import part
from atlas_endpoints.reconcile.status import Creation
from atlas_endpoints.reconcile.waiting import unknown, waiting, words

NO_STEPS = GOING | {ConnectionState.DONE, ConnectionState.FAILED}
"""The states that are no step on the way of a connection."""

KEYS = (
    "connectionId",
    "interfaceEndpointId",
    "interfaceEndpointName",
    "providerAccountId",
    "dnsDomain",
    "awsAccountId",
    "azureSubscriptionId",
    "gcpProjectId",
)
"""The keys of the ConfigMap."""

NO_CONNECTION = "0" * 24
"""The ID of a connection that cannot exist."""

MOST_WORKSPACES = 8
"""As many workspaces are asked whether they use a connection."""


class StreamPrivateEndpoints(MadeByAtlas[StreamPrivateEndpoint]):
    """Connections of Stream Processing to services of the user's. An entry is a connection; a scope is a project."""

    names = Names("atlas-endpoints.dev", "v1alpha1", "StreamPrivateEndpoint", "streamprivateendpoints")
    resource = StreamPrivateEndpoint
    templates = atlas.TEMPLATES
    reads_beside = frozenset({atlas.GET_ACCOUNT, atlas.LIST_WORKSPACES, atlas.LIST_STREAM_CONNECTIONS})
    scope_noun = ""
    scopes = (SCOPE,)
    noun = "connection"
    of_place = "connection to this service"
    state_field = "state"
    gone = (ConnectionState.DELETED,)
    going = GOING
    no_steps = NO_STEPS
    ranks = {ConnectionState.FAILED: FAILED}  # noqa: RUF012
    remedy = "What names the service cannot change: if it is wrong, delete this resource (nothing was made in Atlas) and create it again."

    # Plain JSON.

    @override
    def named_by(self, body: Body) -> Named:
        return Named(target_in(part(body, "spec")) or None, recorded=self.entry_of(body))

    @override
    def shown_in(self, status: Mapping[str, Any]) -> Collection[str]:
        connection = part(status, self.noun)
        return tuple(each for each in (connection.get("target"), connection.get("id")) if isinstance(each, str))

    @override
    def scope_name_in(self, spec: Mapping[str, Any]) -> str | None:
        return SCOPE

    # Atlas.

    @override
    def list_request(self, scope: Scope) -> Request:
        return atlas.list_of(scope.project_id)

    @override
    def get_request(self, scope: Scope, entry: str) -> Request:
        what, _, of = entry.partition("/")
        match what:
            case "account":
                provider, _, region = of.partition("/")
                return atlas.account_of(scope.project_id, provider, region)
            case "workspaces":
                return atlas.workspaces_of(scope.project_id)
            case "streams":
                return atlas.stream_connections_of(scope.project_id, of)
            case _:
                return atlas.get_of(scope.project_id, entry)

    @override
    def listed(self, item: object) -> tuple[str, Connection] | None:
        connection = atlas.connection_in(item)
        return None if connection is None else (connection.id, connection)

    @override
    def got(self, entry: str, answer: object) -> Any | None:
        match entry.partition("/")[0]:
            case "account":
                return atlas.account_in(answer)
            case "workspaces":
                return atlas.workspaces_in(answer)
            case "streams":
                return atlas.users_in(answer)
            case _:
                return atlas.connection_in(answer, entry)

    @override
    def written(self, write: Write, answer: object) -> tuple[str, Connection] | None:
        if not isinstance(write, Create):
            return super().written(write, answer)
        connection = atlas.created(write.request, answer)
        return None if connection is None else (connection.id, connection)

    @override
    def is_outdated(self, error: AtlasError) -> bool:
        return says_that_it_exists(error, atlas.CREATE)

    @override
    def creation(self, facts: Facts) -> Request:
        return atlas.creation_of(facts.scope.project_id, facts.resource.spec.body)

    @override
    def deletion(self, facts: Facts, id_: str) -> Request:
        return atlas.deletion_of(facts.scope.project_id, id_)

    @override
    def doubt(self, facts: Facts) -> str:
        return _doubt_about(facts.resource.spec)

    # Decisions.

    @override
    def decide(self, facts: Facts) -> Decision:
        gets, account = _account(facts)
        decision = self._ambiguous(facts) or super().decide(facts)
        return replace(decision, gets=(*gets, *decision.gets), own={**account, **decision.own})

    @override
    def decide_deletion(self, facts: Facts) -> Decision:
        made, others = self.followed(facts)
        if self._is_ambiguous(facts):
            return self.nothing_left(facts, [made, *others])
        decision, done = super().decide_deletion(facts), facts.done
        if decision.write is None and done is not None and done.result is WriteResult.REFUSED:
            return replace(decision, state=self._used(facts, done))
        return decision

    def _is_ambiguous(self, facts: Facts) -> bool:
        """Return whether several connections live that lead to the service, and neither the status nor the spec tells them apart."""
        (made, others), recorded = self.followed(facts), self.recorded(facts)
        if made is None or (recorded is not None and recorded.id == made.id):
            return False
        return any(self.rank(facts, each) == self.rank(facts, made) for each in others)

    def _ambiguous(self, facts: Facts) -> Decision | None:
        if not self._is_ambiguous(facts):
            return None
        made, others = self.followed(facts)
        known, found = facts.resource.status.connection, (made, *others)
        message = (
            f"Atlas has more than one {self.of_place}. The operator follows none of them, and changes nothing. Remove all but one in"
            f" Atlas: {some_of([each.id for each in found])}."
        )
        own: dict[str, Any] = {"others": others_of(found)}
        if may_arrive_for(facts.resource.status.intent, facts.now, facts.arrives_for) <= 0:
            own["intent"] = None
        if known is None or facts.view.value(known.id) is not None:
            return Decision(State(Reason.CONFLICT, message), own=own)
        return Decision(State(Reason.CONFLICT, message), own={**own, self.noun: None}, absent=known.id)

    @override
    def contradicts(self, facts: Facts, made: Connection) -> bool:
        """Return whether Atlas shows another authentication, domain or zone of a connection than the spec has."""
        return any(each.actual for each in compare(facts.resource, facts.desired, made))

    @override
    def is_elsewhere(self, facts: Facts, made: Connection) -> bool:
        return atlas.leads_elsewhere(made.target, facts.resource.place)

    @override
    def before_post(self, facts: Facts) -> tuple[tuple[Get, ...], State | None]:
        """Return that a POST waits while Atlas does not show where connections lead that may be the one."""
        found = [each.value for each in facts.view.entries.values() if isinstance(each.value, Connection)]
        live = [each for each in found if each.status not in self.gone and not facts.is_claimed_by_other(each.id)]
        names = [each.id for each in live if _may_be(facts, each)]
        if not names:
            return (), None
        message = (
            f"Atlas does not show where these connections lead: {some_of(names)}. One of them may be that of this resource, so the"
            " operator creates none. Remove unneeded ones in Atlas, or ask MongoDB's support where the others lead."
        )
        return (), State(Reason.PENDING, message)

    @override
    def in_its_status(self, facts: Facts, made: Connection) -> Decision:
        if made.status == ConnectionState.FAILED:
            return self.failed(facts, made)
        takes = partial(_takes, made)
        found = Comparison.of(facts, made, takes)
        decision = Decision(self._state(facts, made, found))
        if made.status in GOING or not found.chosen:
            return decision
        fields = {each.field: each.desired for each in found.chosen}
        request = atlas.update_of(facts.scope.project_id, made.id, fields[ManagedField.DNS_DOMAIN])
        cause = cause_of(found.chosen, facts, made, takes)
        return replace(decision, write=Write(request, cause, fields, touches=(made.id,)))

    def _state(self, facts: Facts, made: Connection, found: Comparison) -> State:
        """Return the state of a connection that has not failed, if no write follows in this reconcile."""
        what, differences, since = f"connection {made.id}", found.differences, self.since_of(facts, made)
        if made.status in GOING:
            return waiting(facts, Reason.DELETING, f"Atlas is deleting {what}.", since, differences)
        if found.by_treatment[Treatment.WAIT]:
            return _unchangeable(facts, made, found)
        since = max(since, facts.baseline.confirmed_at or since)  # a domain that comes late is a new step
        match made.status:
            case ConnectionState.DONE:
                return sends_next(found) or available(found, facts)
            case None | ConnectionState.IDLE | ConnectionState.WORKING:
                return _on_its_way(facts, made, since, differences)
            case other:
                message = f"Atlas reports {unknown(other)}. The operator waits for another state. If it does not change, upgrade the operator."
                return waiting(facts, Reason.PENDING, message, since, differences)

    @override
    def is_early(self, error: AtlasError) -> bool:
        return atlas.says_that_it_is_used(error)

    @override
    def before_delete(self, facts: Facts, made: Connection) -> tuple[tuple[Get, ...], State | None]:
        """Return what shows the streams that use a connection, once Atlas has refused its deletion: it does not name them."""
        if not facts.attempt.is_reported(Reason.DELETION_BLOCKED):
            return (), None
        entries = ("workspaces", *(f"streams/{name}" for name in _workspaces(facts)))
        return tuple(Get(each, beside=True, optional=True) for each in entries), None

    def _used(self, facts: Facts, done: Done) -> State:
        """Return the state after a DELETE that Atlas has refused since streams use the connection."""
        id_, error = done.write.touches[0], done.error
        found = ((name, facts.view.value(f"streams/{name}") or {}) for name in _workspaces(facts))
        users = [f"{name}/{user}" for name, used in found for user in used.get(id_, ())]
        message = (
            f"Atlas deletes no connection that streams use. In Atlas, remove the connections of workspaces that use connection"
            f" {id_}{f' ({some_of(users)})' if users else ''}, or give them another access."
        )
        said = "" if error is None else f" Message from Atlas: {words(error.detail or error.error_code)}"
        wait = max(facts.as_long_again.delay, EARLY_FIRST)
        return State(Reason.DELETION_BLOCKED, message + said, RequeueAfter(wait))

    # What a resource tells.

    @override
    def status_of(self, facts: Facts, made: Connection, since: datetime) -> ConnectionStatus:
        return ConnectionStatus.of(made, facts.resource.place, since)

    @override
    def intended(self, facts: Facts, creation: Creation) -> Mapping[str, Any]:
        return {**super().intended(facts, creation), **_account(facts)[1]}

    @override
    def outputs(self, resource: StreamPrivateEndpoint, own: Mapping[str, Any]) -> Sequence[Output]:
        if resource.spec.output_config_map_ref is None:
            return ()
        connection = own.get("connection", resource.status.connection)
        values = _values(connection, own.get("account", resource.status.account))
        return (Output(resource.spec.output_config_map_ref.name, KEYS, values or None),)

    # Commands.

    @override
    def unnamed(
        self, scope: Scope, entries: Mapping[str, Any], named: Collection[Named]
    ) -> Mapping[str, Sequence[str]]:
        known = {each.endpoint for each in named}
        live = {id_: each.place for id_, each in entries.items() if each.status not in self.gone}
        found = {id_: place for id_, place in live.items() if place not in known}
        return {"Connections": [f"{id_} to {place}" if place else id_ for id_, place in found.items()]}

    @override
    def counted(self, values: Collection[Any]) -> str:
        live = [each for each in values if each.status not in self.gone]
        return f"Private connections of Stream Processing: {len(live)}."

    @override
    def doubts(self, resources: Collection[StreamPrivateEndpoint], values: Collection[Any]) -> Iterable[str]:
        found = ((each.key, _doubt_about(each.spec)) for each in resources)
        return [f"{key.namespace}/{key.name}:{doubt}" for key, doubt in found if doubt]

    @override
    def harmless_writes(self, scope: Scope, values: Collection[Any]) -> Iterable[Request]:
        """Return a DELETE of nothing; Atlas checks the role before it looks for the connection."""
        return (atlas.deletion_of(scope.project_id, NO_CONNECTION),)


def _workspaces(facts: Facts) -> Sequence[str]:
    """Return the workspaces that are asked whether they use a connection."""
    return (facts.view.value("workspaces") or ())[:MOST_WORKSPACES]


def _account(facts: Facts) -> tuple[tuple[Get, ...], Mapping[str, AccountStatus]]:
    """Return what is read to know Atlas's account, and the account, for the status, if it was read."""
    spec, known = facts.resource.spec, facts.resource.status.account
    entry = f"account/{spec.provider_name}/{spec.region_in_atlas}"
    value = facts.view.value(entry)
    own = {} if value is None else {"account": AccountStatus.model_validate(value)}
    is_read = known is not None or entry in facts.view.entries
    return () if is_read and not facts.forced else (Get(entry, beside=True),), own


def _may_be(facts: Facts, connection: Connection) -> bool:
    """Return whether Atlas does not show where a live connection leads, and what it shows is that of the spec."""
    shown, mine = connection.service, facts.resource.spec.service
    return not connection.target and all(
        one in {"", atlas.NO_VENDOR, other} for one, other in zip(shown, mine, strict=True)
    )


def _takes(connection: Connection, field: str) -> bool:
    """Return whether Atlas accepts a change of a field of a connection."""
    return field == ManagedField.DNS_DOMAIN and (
        not connection.dns_domain or connection.status in {None, ConnectionState.IDLE}
    )


def _unchangeable(facts: Facts, made: Connection, found: Comparison) -> State:
    """Return the state of a connection that differs in what Atlas does not change."""
    fixed = found.by_treatment[Treatment.WAIT]
    message = f"Atlas cannot change this: {described(fixed)}."
    if any(each.field == ManagedField.DNS_DOMAIN for each in fixed):
        message += (
            f" It takes a dnsDomain only while connection {made.id} has none, or is in IDLE (now {made.status or 'without a state'}). To"
            " keep the one in Atlas, set dnsDomain to it."
        )
    else:
        message += " To keep what Atlas has, delete this resource with deletionPolicy Retain, and create it with the values in Atlas."
    message += " To make the connection anew, delete this resource with deletionPolicy Delete, wait until it is gone, and create it again."
    reason = Reason.UPDATE_REJECTED if any(is_edit(each, facts) for each in fixed) else Reason.DRIFTED
    return State(reason, message, NoRequeue(), found.differences, observed=message)


def _on_its_way(facts: Facts, made: Connection, since: datetime, differences: tuple[Difference, ...]) -> State:
    """Return the state of a connection that Atlas makes."""
    spec, endpoint = facts.resource.spec, made.interface_endpoint_id
    waits_for_domain = spec.service == ("AWS", "CONFLUENT") and not (spec.dns_domain or made.dns_domain)
    if waits_for_domain and endpoint:
        message = (
            f"Give the ID of Atlas's endpoint, {endpoint}, to Confluent, for an access point of the gateway. When Confluent shows the"
            " domain, set spec.dnsDomain. Until then, the connection is not complete."
        )
        return State(Reason.WAITING_FOR_CLOUD_ENDPOINT, message, NoRequeue(), differences)
    message = f"Atlas is creating connection {made.id}. This takes half an hour, and sometimes more than an hour."
    if waits_for_domain:
        message += (
            " When the status shows interfaceEndpointId, give that to Confluent, and set spec.dnsDomain to the domain"
            " that Confluent names then."
        )
    if spec.provider_name == "AZURE" and spec.vendor != "CONFLUENT":
        message += " It may wait until somebody approves it in Azure: see Networking, Private endpoint connections, of the namespace or account."
    return waiting(facts, Reason.INITIATING, message, since, differences)


def _values(connection: ConnectionStatus | None, account: AccountStatus | None) -> Mapping[str, str] | None:
    """Return the data of the ConfigMap, as far as it is known; None: a connection that was shown does not work."""
    if connection is not None and connection.status in {ConnectionState.FAILED, *GOING}:
        return None
    found = {
        "connectionId": None if connection is None else connection.id,
        **({} if connection is None else connection.to_json()),
        **({} if account is None else account.to_json()),
    }
    return {key: found[key] for key in KEYS if found.get(key)}


def _doubt_about(spec: Spec) -> str:
    """Return sentences, each after a blank, about a region that is not known, also of an ARN, and fields that contradict each other."""
    contradicted = contradiction(spec.service, spec.region, spec.service_endpoint_id, spec.dns_domain)
    return doubt(spec.provider_name, spec.region or spec.region_in_atlas) + contradicted


KIND = StreamPrivateEndpoints()
