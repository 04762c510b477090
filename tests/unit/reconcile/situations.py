"""What a decision depends on, in short words for tables: a resource, the endpoint that Atlas shows, the status before.

A connection is ``one`` or ``two``; each cloud spells these in its own fields. So one row speaks about both clouds.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

from atlas_endpoints.atlas.observations import Seen, View
from atlas_endpoints.controller.requeue import NoRequeue, RequeueAfter
from atlas_endpoints.kinds.serverless_private_endpoint.calls import ENDPOINTS
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.kinds.serverless_private_endpoint.resource import (
    EndpointStatus,
    ServerlessPrivateEndpoint,
    ServerlessStatus,
)
from atlas_endpoints.reconcile.attempt import Attempt
from atlas_endpoints.reconcile.confirmed import after
from atlas_endpoints.reconcile.decision import Decision, Done, State, Write, WriteResult
from atlas_endpoints.reconcile.facts import Facts, Refusal
from atlas_endpoints.reconcile.gather import Gatherer
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.status import (
    Applied,
    Cause,
    Condition,
    DriftItem,
    HistoryEntry,
    LastError,
    Resolved,
)
from atlas_endpoints.reconcile.summarize import correction_delayed, of_failed_call, render
from atlas_endpoints.reconcile.summarize import of_decision as outcome_of
from behaviour.cases import seconds as seconds_of
from support.cases import manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from atlas_endpoints.atlas.errors import AtlasError
    from atlas_endpoints.atlas.requests import Request
    from atlas_endpoints.reconcile.outcome import Outcome

# fmt: off
__all__ = [
    "Cause", "Decision", "NoRequeue", "Refusal", "RequeueAfter", "State", "Write",
    "correction_delayed", "decide", "of_decision", "update_of",
]
# fmt: on
"""What tests use of the operator as it is."""

decide = KIND.decide

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
GENERATION = 3
"""Of the resource, of its status, and of what was confirmed, unless a row says otherwise."""
REFUSED = "Atlas refuses the change. (HTTP 400 INVALID_ATTRIBUTE)"
ID, ADDRESS, COMMENT = ServerlessPrivateEndpoint.fields
ENTRY = "5f7cac1adf5d6c6306f4b283"
GRACE = timedelta(minutes=2)
RESOLVED = Resolved(project_id="32b6e34b3d91647abb20e7b8", credentials_source="resource/atlas")

Provider = Literal["AWS", "AZURE"]
PROVIDERS: tuple[Provider, ...] = ("AWS", "AZURE")


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def made(
    base: str = "AWS", *, generation: int = GENERATION, annotations: Mapping[str, str] | None = None, **spec: Any
) -> ServerlessPrivateEndpoint:
    """A resource, as the API server has it."""
    body = manifest(base, spec)
    metadata = {"namespace": "default", "uid": "0c2cbb4e", "generation": generation, "resourceVersion": "7"}
    metadata = {**body["metadata"], **metadata, "annotations": dict(annotations or {})}
    return ServerlessPrivateEndpoint.parse({**body, "metadata": metadata})


def update_of(facts: Facts[Any], provider: Provider, fields: Mapping[str, str]) -> Request:
    """The PATCH of the endpoint."""
    return ENDPOINTS.update_of(facts.scope, ENTRY, {"providerName": provider, **fields})


def facts_of(  # all that is known
    resource: ServerlessPrivateEndpoint,
    previous: ServerlessStatus,
    endpoint: EndpointStatus | None = None,
    *,
    now: datetime = NOW,
    uncertain: bool = False,
    writes: bool = True,
    grace: timedelta = GRACE,
    resolved: Resolved = RESOLVED,
) -> Facts[ServerlessPrivateEndpoint]:
    """What is known of a resource that nobody else is in the way of, when Atlas was seen to show its endpoint."""
    entries = {} if endpoint is None else {endpoint.id: Seen(endpoint, 0.0)}
    view: View[Any] = View(entries, 0.0, label=KIND.label)
    memory: Any = SimpleNamespace(view=lambda _: view, unknown_for=lambda *_: 9.0 if uncertain else None)
    others: Any = SimpleNamespace(found_by=lambda _: ())
    clock: Any = SimpleNamespace(monotonic=lambda: 1000.0)
    ports: Any = SimpleNamespace(
        atlas=memory,
        resources=others,
        clock=clock,
        started=lambda: 0.0,
        writes=writes,
        grace=grace,
        sync_interval=timedelta(minutes=10),
    )
    gatherer = Gatherer(KIND, ports)
    scope = gatherer.scope(resource, resource.spec.project_id or "", "fingerprint")
    used = {name: value for name, value in resource.connection.items() if value is not None}
    told = Resolved.model_validate({**dict(resolved), **used})
    return gatherer.facts(resource.model_copy(update={"status": previous}), now, scope, told)


def failed(error: AtlasError, facts: Facts[Any], *, seen: EndpointStatus | None = None) -> Outcome:
    """What a call to Atlas that fails comes to."""
    return of_failed_call(KIND, facts, error, seen=seen)


def rendered(
    previous: ServerlessStatus,
    outcome: Outcome,
    *,
    now: datetime = NOW,
    grace: timedelta = GRACE,
    generation: int = 1,
) -> ServerlessStatus:
    """The status that an outcome leads to."""
    status = render(Attempt(generation, previous, now, grace), outcome)
    assert isinstance(status, ServerlessStatus)
    return status


def answered(facts: Facts[ServerlessPrivateEndpoint], write: Write, answer: EndpointStatus) -> Facts[Any]:
    """What is known after a write that Atlas has confirmed by an answer."""
    before = facts.view.value(ENTRY)
    shown = {} if before is None else facts.resource.shown(before)
    return after(facts, Done(write, WriteResult.CONFIRMED, before=shown, answer=answer), entry=ENTRY)


_ARM = "/subscriptions/4e133d35-e734-4385-a565-c0945567ae34/resourceGroups/rg/providers/Microsoft.Network/privateEndpoints/{}"
_CONNECTIONS: Mapping[Provider, Mapping[str, dict[str, str]]] = {
    "AWS": {"one": {ID: "vpce-11111111111111111"}, "two": {ID: "vpce-22222222222222222"}},
    "AZURE": {
        "one": {ID: _ARM.format("one"), ADDRESS: "10.0.0.1"},
        "two": {ID: _ARM.format("two"), ADDRESS: "10.0.0.2"},
        "one at another address": {ID: _ARM.format("one"), ADDRESS: "10.0.0.9"},
    },
}


@dataclass(frozen=True)
class Values:
    """The managed fields of a spec, an endpoint or a confirmation; ``None`` where there is no value."""

    connection: str | None = None
    comment: str | None = None

    def on(self, provider: Provider) -> dict[str, str]:
        """Spell them as a cloud does."""
        fields = dict(_CONNECTIONS[provider][self.connection]) if self.connection else {}
        return fields if self.comment is None else {**fields, COMMENT: self.comment}


NOTHING = Values()


def values(text: str) -> Values:
    """Return the values that a text names: ``one a``, ``two``, ``b``, ``empty`` (a comment) or ``nothing``."""
    words = [word for word in text.split() if word != "nothing"]
    connection = words.pop(0) if words and words[0] in _CONNECTIONS["AWS"] else None
    return Values(connection, words[0].replace("empty", "") if words else None)


def duration(text: str) -> timedelta:
    """Return the time that a text names, such as ``-5m``."""
    return timedelta(seconds=seconds_of(text) * (-1 if text.startswith("-") else 1))


def fields_of(provider: Provider, names: Sequence[str]) -> set[str]:
    """Return the fields of a cloud that ``connection`` and ``comment`` mean."""
    return {field for name in names for field in ([COMMENT] if name == "comment" else _CONNECTIONS[provider]["one"])}


@dataclass(frozen=True, kw_only=True)
class Situation:
    """A resource, the endpoint that Atlas shows, and the status before.

    Attributes:
        status: of the endpoint, for as long as ``since`` says.
        wants: what the spec manages.
        shows: what Atlas shows.
        confirmed: what Atlas has confirmed for the generation ``confirmed_for``; ``None``: nothing ever.
        seen: the generation that a status was written for last.
        said: the reason of ``Ready`` in that status.
        report: whether drift is only reported.
        patched: confirmed PATCHes: how many seconds ago, and of what (``connection``, ``comment``).
        uncertain: whether a write may still be applied whose answer was lost.
        policy: of management.
        writes: whether the operator may write.
        refused: what Atlas has refused.
        service: whether the endpoint has a service to connect to.
        elsewhere: whether Atlas shows the endpoint as one of another cloud than the spec names.
    """

    status: str | None = "AVAILABLE"
    since: timedelta = timedelta(minutes=1)
    wants: Values = NOTHING
    shows: Values = NOTHING
    confirmed: Values | None = None
    generation: int = GENERATION
    confirmed_for: int = GENERATION
    seen: int = GENERATION
    said: Reason = Reason.AVAILABLE
    report: bool = False
    forced: bool = False
    uncertain: bool = False
    policy: str = "Manage"
    writes: bool = True
    patched: tuple[tuple[float, str], ...] = ()
    refused: Values = NOTHING
    service: bool = True
    elsewhere: bool = False
    error_message: str | None = None
    interval: timedelta = timedelta(minutes=10)
    timeout: timedelta = timedelta(minutes=120)

    def resource(self, provider: Provider) -> ServerlessPrivateEndpoint:
        """The resource."""
        return made(
            provider,
            generation=self.generation,
            annotations={"atlas-endpoints.dev/force-sync": "now"} if self.forced else {},
            driftPolicy="Report" if self.report else "Correct",
            managementPolicy=self.policy,
            syncInterval=f"{self.interval.total_seconds():.0f}s",
            provisioningTimeout=f"{self.timeout.total_seconds():.0f}s",
            **self.wants.on(provider),
        )

    def endpoint(self, provider: Provider) -> EndpointStatus:
        """The endpoint as Atlas shows it."""
        service: dict[str, Any] = {}
        if self.service:
            service = {"endpointServiceName": "com.amazonaws.vpce.us-east-1.vpce-svc-0"}
            if provider == "AZURE":
                service = {"endpointServiceName": "pls_0", "privateLinkServiceResourceId": "/pls/0"}
        shown = self.shows.on(provider)
        if self.elsewhere:
            shown["providerName"] = "GCP"
        answer = {"_id": ENTRY, "status": self.status, "errorMessage": self.error_message} | service | shown
        endpoint = KIND.got(ENTRY, answer)
        assert endpoint is not None
        return endpoint

    def before(self, provider: Provider) -> ServerlessStatus:
        """The status before."""
        history = sorted(
            [
                _entry(
                    seconds(ago), (COMMENT,) if what == "comment" else tuple(_CONNECTIONS[provider]["one"]), Cause.EDIT
                )
                for ago, what in self.patched
            ],
            key=lambda entry: entry.time,
            reverse=True,
        )
        refused = self.refused.on(provider)
        said = Reason.UPDATE_REJECTED if refused else self.said
        return ServerlessStatus(
            observed_generation=self.seen,
            conditions=(
                Condition(
                    type="Ready",
                    status=said.ready,
                    reason=said,
                    message=REFUSED if refused else "It was so.",
                    observed_generation=self.seen,
                    last_transition_time=NOW,
                ),
            ),
            applied=None if self.confirmed is None else self._applied(self.confirmed, provider),
            endpoint=EndpointStatus(id=ENTRY, status=self.status, status_since=NOW - self.since),
            drift=tuple(DriftItem(field=field, desired=value) for field, value in refused.items()),
            last_error=LastError(
                since=NOW, operation="updateServerlessPrivateEndpoint", retryable=False, fields=tuple(refused)
            )
            if refused
            else None,
            last_applied_time=history[0].time if history else None,
            not_ready_since=max([NOW - self.since, *(each.time for each in history[:1])]),
            history=tuple(history),
        )

    def facts(self, provider: Provider) -> Facts[ServerlessPrivateEndpoint]:
        """All that a decision depends on."""
        resource, previous, endpoint = self.resource(provider), self.before(provider), self.endpoint(provider)
        return facts_of(resource, previous, endpoint, uncertain=self.uncertain, writes=self.writes)

    def _applied(self, confirmed: Values, provider: Provider) -> Applied:
        return Applied.of(self.confirmed_for, confirmed.on(provider))


def _entry(ago: timedelta, fields: tuple[str, ...], cause: Cause) -> HistoryEntry:
    return HistoryEntry(time=NOW - ago, generation=GENERATION, cause=cause, fields=fields, result="Applied")


def settled(values: Values, **more: Any) -> Situation:
    """A resource whose values Atlas has confirmed and shows."""
    return replace(Situation(wants=values, shows=values, confirmed=values), **more)


def of_decision(facts: Facts[ServerlessPrivateEndpoint], decision: Decision) -> Outcome:
    """Return the outcome of a decision whose write is not made."""
    return outcome_of(KIND, facts, decision)


def situation(row: Mapping[str, Any]) -> Situation:
    """Return the situation of a row of ``decide.yaml``."""
    readers: Mapping[str, Callable[[Any], Any]] = {
        **dict.fromkeys(("wants", "shows", "refused"), values),
        **dict.fromkeys(("since", "interval"), duration),
        "said": Reason,
        "patched": lambda times: tuple((seconds_of(time), what) for what, time in times.items()),
    }
    names = {each.name for each in fields(Situation)}
    more: dict[str, Any] = {
        name: readers[name](value) if name in readers else value for name, value in row.items() if name in names
    }
    if "edited" in row:
        return edited(values(row["edited"]), **more)
    return settled(values(row["settled"]), **more) if "settled" in row else Situation(**more)


def edited(before: Values, **more: Any) -> Situation:
    """A resource whose older values Atlas has confirmed and shows, and whose present spec it has never been sent."""
    return settled(before, **{"confirmed_for": GENERATION - 1, "seen": GENERATION - 1, **more})
