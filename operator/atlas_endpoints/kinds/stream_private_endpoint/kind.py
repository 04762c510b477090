"""The kind ``StreamPrivateEndpoint``: a connection of Stream Processing to a service of the user's. Pure.

Source: https://www.mongodb.com/docs/api/doc/atlas-admin-api-v2/group/endpoint-streams, and recorded answers for Event Hubs, which leave
out what is empty. Atlas calls them private link connections.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

from pydantic.alias_generators import to_snake
from typing_extensions import override

from atlas_endpoints.atlas.answers import text_of
from atlas_endpoints.atlas.errors import AtlasError, EndpointAbsentError, InvalidRequestError, MissingRoleError
from atlas_endpoints.atlas.requests import Refusals
from atlas_endpoints.cluster.api import Names
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.controller.requeue import NoRequeue, RequeueAfter
from atlas_endpoints.kinds.importer import Found, InTerraform, LeftOut, Options
from atlas_endpoints.kinds.lives.imports import importer_of
from atlas_endpoints.kinds.lives.life import Facts, Hindrance
from atlas_endpoints.kinds.lives.made import EARLY_FIRST, Made, some_of, words_of
from atlas_endpoints.kinds.new_manifest import NewManifest, fitting, retained
from atlas_endpoints.kinds.parts.api import Api, Read
from atlas_endpoints.kinds.parts.fields import values_of
from atlas_endpoints.kinds.parts.states import Dead, Going, States, Waits, Works
from atlas_endpoints.kinds.regions import doubt
from atlas_endpoints.kinds.stream_private_endpoint.resource import (
    SCOPE,
    AccountStatus,
    Connection,
    ConnectionStatus,
    Spec,
    StreamPrivateEndpoint,
)
from atlas_endpoints.kinds.stream_private_endpoint.services import SERVICES, contradiction
from atlas_endpoints.kinds.stream_private_endpoint.targets import NO_VENDOR, leads_elsewhere, target_in
from atlas_endpoints.reconcile.compare import Comparison, Treatment, available, described, is_edit, sends_next
from atlas_endpoints.reconcile.decision import Decision, Done, Get, State, Write, WriteResult
from atlas_endpoints.reconcile.kind import Named
from atlas_endpoints.reconcile.outputs import Output
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.resource import part
from atlas_endpoints.reconcile.status import Creation
from atlas_endpoints.reconcile.waiting import waiting, words

WRITES = Refusals(
    # No code of these calls is documented. Those that mean something else are known for all calls.
    absent=("_NOT_FOUND",),
    explanations={
        InvalidRequestError: "Atlas cannot parse the request: projectId or the ID of the connection is malformed. To correct it, {wrong_field}.",
        MissingRoleError: (
            "The credentials may not do this: they need a role such as Project Owner or Project Stream Processing Owner in the project"
            " (MongoDB's specification names Project Stream Processing Manager, and Organization Stream Processing Admin). Grant it to"
            " the service account or API key in Atlas (Project Settings, Access Manager). {then}"
        ),
        EndpointAbsentError: (
            "Atlas no longer has the connection in status.connection. To have it created again, set spec.driftPolicy to Correct, or set"
            " the annotation atlas-endpoints.dev/force-sync."
        ),
    },
)
_EXPLAINED = {each: text for each, text in WRITES.explanations.items() if each is not MissingRoleError}
# Atlas was seen to refuse a single one of many equal calls so.
READS = Refusals(absent=WRITES.absent, explanations=_EXPLAINED, doubted=("USER_UNAUTHORIZED",))
BESIDE = replace(READS, absent=())

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

MOST_WORKSPACES = 8
"""As many workspaces are asked whether they use a connection."""


def account_in(answer: Any) -> Mapping[str, str] | None:
    """Return Atlas's account in an answer, by Atlas's names of its fields, or None if it is none."""
    found = answer.items() if isinstance(answer, dict) else ()
    return {name: text for name, value in found if (text := text_of(value))} or None


def workspaces_in(items: Any) -> Sequence[str]:
    """Return the names of the workspaces in the items of a LIST, without what would be another path."""
    found = items if isinstance(items, list) else ()
    names = [text_of(each.get("name")) for each in found if isinstance(each, dict)]
    return tuple(name for name in names if name and "/" not in name)


def users_in(items: Any) -> Mapping[str, Sequence[str]]:
    """Return the names of the streams' connections in the items of a LIST, by the private connections that they use."""
    found: dict[str, list[str]] = {}
    for item in (each for each in items if isinstance(each, dict)) if isinstance(items, list) else ():
        # For some vendors, Atlas's documentation has another name of the field.
        for networking in (part(item, "networking"), part(item, "publicPrivateNetworking")):
            used, name = text_of(part(networking, "access").get("connectionId")), text_of(item.get("name"))
            if used and name:
                found.setdefault(used, []).append(name)
    return found


class StreamPrivateEndpoints(Made[StreamPrivateEndpoint]):
    """An entry is a connection; a scope is a project."""

    names = Names("atlas-endpoints.dev", "v1alpha1", "StreamPrivateEndpoint", "streamprivateendpoints")
    resource, entry = StreamPrivateEndpoint, Connection
    scope_noun, scopes = "", (SCOPE,)
    noun, of_place, place_noun = "connection", "connection to this service", "target"
    state_field, gone = "state", ("DELETED",)
    api = Api(
        below="streams/privateLinkConnections",
        one="connectionId",
        list="listPrivateLinkConnections",
        get="getPrivateLinkConnection",
        create="createPrivateLinkConnection",
        delete="deletePrivateLinkConnection",
        update="updatePrivateLinkConnection",
        version="2023-02-01",
        versions={"updatePrivateLinkConnection": "2025-03-12"},
        refusals=WRITES,
        of_reads=READS,
    )
    reads: ClassVar = {
        "account": Read(
            operation="getAccountDetails",
            below="streams/accountDetails?cloudProvider={cloud}&regionName={region}",
            version="2024-11-13",
            parse=account_in,
            refusals=BESIDE,
            optional=True,
        ),
        "workspaces": Read(
            operation="listStreamWorkspaces",
            below="streams",
            version="2023-02-01",
            parse=workspaces_in,
            paged=True,
            refusals=BESIDE,
            optional=True,
        ),
        "streams": Read(
            operation="listStreamConnections",
            below="streams/{tenantName}/connections",
            version="2023-02-01",
            parse=users_in,
            paged=True,
            refusals=BESIDE,
            optional=True,
        ),
    }
    states: ClassVar[States] = {
        "DONE": Works(),
        **dict.fromkeys(
            ("", "IDLE", "WORKING"),
            Waits("Atlas is creating {what}. This takes half an hour, and sometimes more than an hour."),
        ),
        "FAILED": Dead(),
        "DELETE_REQUESTED": Going(),
        "DELETING": Going(),
    }

    # Targets.

    @override
    def named_by(self, body: Body) -> Named:
        return Named(target_in(part(body, "spec")) or None, recorded=self.entry_of(body))

    @override
    def shown_in(self, status: Mapping[str, Any]) -> Collection[str]:
        target = part(status, self.noun).get("target")
        return *((target,) if isinstance(target, str) else ()), *super().shown_in(status)

    @override
    def place_of(self, made: Connection) -> str:
        return made.target or ""

    @override
    def is_elsewhere(self, facts: Facts, made: Connection) -> bool:
        return leads_elsewhere(self.place_of(made), facts.resource.place)

    @override
    def may_be_there(self, facts: Facts, made: Connection) -> bool:
        mine = facts.resource.spec.service
        return all(one in {"", NO_VENDOR, its} for one, its in zip(made.service, mine, strict=True))

    @override
    def doubt_about(self, spec: Spec) -> str:
        """Return sentences about a region that is not known, also of an ARN, and fields that contradict each other."""
        contradicted = contradiction(spec.service, spec.region, spec.service_endpoint_id, spec.dns_domain)
        return doubt(spec.provider_name, spec.region or spec.region_in_atlas) + contradicted

    # Decisions about a live resource.

    @override
    def body(self, spec: Spec) -> Mapping[str, Any]:
        return spec.body

    @override
    def shown(self, facts: Facts, entry: Connection, since: datetime) -> ConnectionStatus:
        fields = {name: getattr(entry, name) for name in ConnectionStatus.model_fields}
        return ConnectionStatus.model_validate({**fields, "target": facts.resource.place, "status_since": since})

    @override
    def decide(self, facts: Facts) -> Decision:
        gets, account = _account(facts)
        decision = super().decide(facts)
        return replace(decision, gets=(*gets, *decision.gets), own={**account, **decision.own})

    @override
    def intended(self, facts: Facts, creation: Creation) -> Mapping[str, Any]:
        return {**super().intended(facts, creation), **_account(facts)[1]}

    @override
    def takes(self, facts: Facts, entry: Connection, field: str) -> bool:
        is_free = not entry.dns_domain or entry.status in {None, "IDLE"}
        return super().takes(facts, entry, field) and is_free and entry.status != "FAILED"

    @override
    def update(self, facts: Facts, entry: Connection, fields: Mapping[str, str]) -> Write:
        return Write(self.api.update_of(facts.scope, entry.id, fields), fields=fields)

    @override
    def in_its_state(self, facts: Facts, entry: Connection, found: Comparison) -> Decision:
        is_over = isinstance(self.states.get(entry.status or ""), Dead | Going)
        if found.by_treatment[Treatment.WAIT] and not is_over:
            return Decision(_unchangeable(facts, entry, found))
        return super().in_its_state(facts, entry, found)

    @override
    def works(self, facts: Facts, entry: Connection, found: Comparison) -> State:
        return sends_next(found) or available(found, facts)

    @override
    def waits(self, facts: Facts, entry: Connection, found: Comparison, meaning: Waits) -> Decision:
        spec, endpoint, since = facts.resource.spec, entry.interface_endpoint_id, self.since(facts, entry)
        waits_for_domain = spec.service == ("AWS", "CONFLUENT") and not (spec.dns_domain or entry.dns_domain)
        if waits_for_domain and endpoint:
            message = (
                f"Give the ID of Atlas's endpoint, {endpoint}, to Confluent, for an access point of the gateway. When Confluent shows the"
                " domain, set spec.dnsDomain. Until then, the connection is not complete."
            )
            return Decision(State(Reason.WAITING_FOR_CLOUD_ENDPOINT, message, NoRequeue(), found.differences))
        message = meaning.message.format(what=f"connection {entry.id}")
        if waits_for_domain:
            message += (
                " When the status shows interfaceEndpointId, give that to Confluent, and set spec.dnsDomain to the domain"
                " that Confluent names then."
            )
        if spec.provider_name == "AZURE" and spec.vendor != "CONFLUENT":
            message += " It may wait until somebody approves it in Azure: see Networking, Private endpoint connections, of the namespace or account."
        since = max(since, facts.baseline.confirmed_at or since)  # a domain that comes late is a new step
        return Decision(waiting(facts, meaning.reason, message, since, found.differences))

    # Decisions about a deleted resource.

    @override
    def before_delete(self, facts: Facts, entry: Connection) -> Hindrance:
        """Return what shows the streams that use a connection, once Atlas has refused its deletion: it does not name them."""
        if not facts.attempt.is_reported(Reason.DELETION_BLOCKED):
            return (), None
        entries = ("workspaces", *(f"streams/{name}" for name in _workspaces(facts)))
        return tuple(Get(each, beside=True, optional=True) for each in entries), None

    @override
    def is_early(self, error: AtlasError) -> bool:
        return error.operation == self.api.delete and "in use" in words_of(error)  # by streams

    @override
    def decide_deletion(self, facts: Facts) -> Decision:
        decision, done = super().decide_deletion(facts), facts.done
        if decision.write is None and done is not None and done.result is WriteResult.REFUSED:
            return replace(decision, state=_used(facts, done))
        return decision

    # What a resource tells.

    @override
    def outputs(self, resource: StreamPrivateEndpoint, own: Mapping[str, Any]) -> Sequence[Output]:
        """Return the ConfigMap with what is known; without values if a connection that was shown does not work."""
        if resource.spec.output_config_map_ref is None:
            return ()
        connection, account = (own.get(name, getattr(resource.status, name)) for name in ("connection", "account"))
        values: Mapping[str, str] | None = None
        if connection is None or connection.status not in {"FAILED", *self.going}:
            shown = {} if connection is None else {"connectionId": connection.id, **connection.to_json()}
            values = values_of(KEYS, shown, {} if account is None else account.to_json()) or None
        return (Output(resource.spec.output_config_map_ref.name, KEYS, values),)


def _account(facts: Facts) -> tuple[tuple[Get, ...], Mapping[str, AccountStatus]]:
    """Return what is read to know Atlas's account, and the account, for the status, if it was read."""
    spec, known = facts.resource.spec, facts.resource.status.account
    entry = f"account/{spec.provider_name.lower()}/{spec.region_in_atlas}"
    value = facts.view.value(entry)
    own = {} if value is None else {"account": AccountStatus.model_validate(value)}
    is_read = known is not None or entry in facts.view.entries
    return () if is_read and not facts.forced else (Get(entry, beside=True),), own


def _unchangeable(facts: Facts, made: Connection, found: Comparison) -> State:
    """Return the state of a connection that differs in what Atlas does not change."""
    fixed = found.by_treatment[Treatment.WAIT]
    message = f"Atlas cannot change this: {described(fixed)}."
    if any(each.field == "dnsDomain" for each in fixed):
        message += (
            f" It takes a dnsDomain only while connection {made.id} has none, or is in IDLE (now {made.status or 'without a state'}). To"
            " keep the one in Atlas, set dnsDomain to it."
        )
    else:
        message += " To keep what Atlas has, delete this resource with deletionPolicy Retain, and create it with the values in Atlas."
    message += " To make the connection anew, delete this resource with deletionPolicy Delete, wait until it is gone, and create it again."
    reason = Reason.UPDATE_REJECTED if any(is_edit(each, facts) for each in fixed) else Reason.DRIFTED
    return State(reason, message, NoRequeue(), found.differences, observed=message)


def _workspaces(facts: Facts) -> Sequence[str]:
    """Return the workspaces that are asked whether they use a connection."""
    return (facts.view.value("workspaces") or ())[:MOST_WORKSPACES]


def _used(facts: Facts, done: Done) -> State:
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


KIND = StreamPrivateEndpoints()

# Import.

_IN_TERRAFORM = {
    **{
        each: to_snake(each)
        for each in ("state", "vendor", "region", "serviceEndpointId", "arn", "dnsDomain", "dnsSubDomain")
    },
    "_id": "id",
    "provider": "provider_name",
    "gcpServiceAttachmentUris": "service_attachment_uris",
}
"""Terraform's names of what Atlas shows."""


def _manifest(found: Found, options: Options) -> NewManifest:
    connection, service = found.value, SERVICES.get(found.value.service)
    provider, vendor = connection.service
    fields = frozenset[str]() if service is None else service.needs | service.takes
    shown = {each: value for each, value in connection.described.items() if each in fields}
    values = {name: [*value] if isinstance(value, tuple) else value for name, value in shown.items()}
    spec = {"projectId": found.project_id, "providerName": provider, "vendor": vendor, **values}
    name = "-".join(filter(None, ("streams", vendor, connection.described.get("region"))))
    name = fitting(name, connection.id)
    return NewManifest(connection.id, name, options.namespace, {**spec, **retained(options.credentials_secret)})


def _found_in(one: InTerraform) -> Found | LeftOut:
    connection = Connection.read({name: one.values.get(its) for name, its in _IN_TERRAFORM.items()})
    if connection is None:
        return LeftOut(one.address, "its id is not that of a connection")
    return Found(one.text("project_id"), SCOPE, None, connection)


IMPORTER = importer_of(
    KIND,
    lambda found: KIND.place_of(found.value),
    _manifest,
    terraform="mongodbatlas_stream_privatelink_endpoint",
    found_in=_found_in,
)
