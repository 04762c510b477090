"""What planning is asked about, in short words for tables: a resource, the endpoint that Atlas shows, the status before.

A connection is ``one`` or ``two``; each cloud spells these in its own fields. So one row speaks about both clouds.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint
from atlas_endpoints.engine.conditions import condition
from atlas_endpoints.engine.outcome import Next, Rest
from atlas_endpoints.kinds.serverless_private_endpoint.context import Context, Defaults, gather
from atlas_endpoints.kinds.serverless_private_endpoint.model import (
    Applied,
    Cause,
    DriftItem,
    EndpointStatus,
    HistoryEntry,
    LastError,
    ManagedField,
    ServerlessPrivateEndpoint,
    Status,
)
from atlas_endpoints.kinds.serverless_private_endpoint.reasons import MEANING, Reason
from support.cases import manifest

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
GENERATION = 3
"""Of the resource, of its status, and of what was confirmed, unless a row says otherwise."""
REFUSED = "Atlas refuses the change. (HTTP 400 INVALID_ATTRIBUTE)"
ID, ADDRESS, COMMENT = ManagedField

Provider = Literal["AWS", "AZURE"]
PROVIDERS: tuple[Provider, ...] = ("AWS", "AZURE")


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


_ARM = "/subscriptions/4e133d35-e734-4385-a565-c0945567ae34/resourceGroups/rg/providers/Microsoft.Network/privateEndpoints/{}"
_CONNECTIONS: Mapping[Provider, Mapping[str, dict[ManagedField, str]]] = {
    "AWS": {
        "one": {ID: "vpce-11111111111111111"},
        "two": {ID: "vpce-22222222222222222"},
    },
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

    def on(self, provider: Provider) -> dict[ManagedField, str]:
        """Spell them as a cloud does."""
        fields = dict(_CONNECTIONS[provider][self.connection]) if self.connection else {}
        return fields if self.comment is None else {**fields, COMMENT: self.comment}


NOTHING = Values()


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
        corrected: how long ago the comment was corrected.
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
    in_doubt: bool = False
    patched: tuple[tuple[float, str], ...] = ()
    corrected: tuple[timedelta, ...] = ()
    refused: Values = NOTHING
    service: bool = True
    elsewhere: bool = False
    error_message: str | None = None
    interval: timedelta = timedelta(minutes=10)
    timeout: timedelta = timedelta(minutes=120)

    def desired(self, provider: Provider) -> dict[ManagedField, str]:
        """The managed fields, as planning gets them."""
        return self.resource(provider).spec.desired

    def resource(self, provider: Provider) -> ServerlessPrivateEndpoint:
        """The resource."""
        body = manifest(
            provider,
            {
                **{field.value: value for field, value in self.wants.on(provider).items()},
                "driftPolicy": "Report" if self.report else "Correct",
                "syncInterval": f"{self.interval.total_seconds():.0f}s",
                "provisioningTimeout": f"{self.timeout.total_seconds():.0f}s",
            },
        )
        annotations = {"atlas-endpoints.dev/force-sync": "now"} if self.forced else {}
        metadata = {
            "namespace": "default",
            "uid": "0c2cbb4e",
            "generation": self.generation,
            "resourceVersion": "7",
            "annotations": annotations,
        }
        return ServerlessPrivateEndpoint.parse({**body, "metadata": {**body["metadata"], **metadata}})

    def endpoint(self, provider: Provider) -> Endpoint:
        """The endpoint as Atlas shows it."""
        service: dict[str, Any] = {}
        if self.service:
            service = {"endpointServiceName": "com.amazonaws.vpce.us-east-1.vpce-svc-0"}
            if provider == "AZURE":
                service = {"endpointServiceName": "pls_0", "privateLinkServiceResourceId": "/pls/0"}
        shown = {field.value: value for field, value in self.shows.on(provider).items()}
        if self.elsewhere:
            shown["providerName"] = "GCP"
        return Endpoint.model_validate(
            {"_id": "5f7cac1adf5d6c6306f4b283", "status": self.status, "errorMessage": self.error_message}
            | service
            | shown
        )

    def before(self, provider: Provider) -> Status:
        """The status before."""
        history = sorted(
            [
                _entry(
                    seconds(ago), (COMMENT,) if what == "comment" else tuple(_CONNECTIONS[provider]["one"]), Cause.EDIT
                )
                for ago, what in self.patched
            ]
            + [_entry(ago, (COMMENT,), Cause.DRIFT) for ago in self.corrected],
            key=lambda entry: entry.time,
            reverse=True,
        )
        refused = self.refused.on(provider)
        said = Reason.UPDATE_REJECTED if refused else self.said
        return Status(
            observed_generation=self.seen,
            conditions=(
                condition(
                    "Ready",
                    status=MEANING[said].ready,
                    reason=said,
                    message=REFUSED if refused else "It was so.",
                    generation=self.seen,
                    now=NOW,
                ),
            ),
            applied=None if self.confirmed is None else self._applied(self.confirmed, provider),
            endpoint=EndpointStatus(id="5f7cac1adf5d6c6306f4b283", status=self.status, status_since=NOW - self.since),
            drift=tuple(DriftItem(field=field, desired=value) for field, value in refused.items()),
            last_error=LastError(
                since=NOW, operation="updateServerlessPrivateEndpoint", retryable=False, fields=tuple(refused)
            )
            if refused
            else None,
            last_applied_time=history[0].time if history else None,
            history=tuple(history),
        )

    def context(self, provider: Provider) -> Context:
        """All else that planning gets."""
        return gather(
            self.resource(provider),
            self.before(provider),
            self.endpoint(provider),
            now=NOW,
            in_doubt=self.in_doubt,
            defaults=Defaults(),
        )

    def _applied(self, confirmed: Values, provider: Provider) -> Applied:
        return Applied.model_validate({"generation": self.confirmed_for, **confirmed.on(provider)})


def _entry(ago: timedelta, fields: tuple[ManagedField, ...], cause: Cause) -> HistoryEntry:
    return HistoryEntry(time=NOW - ago, generation=GENERATION, cause=cause, fields=fields, result="Applied")


def settled(values: Values, **more: Any) -> Situation:
    """A resource whose values Atlas has confirmed and shows."""
    return replace(Situation(wants=values, shows=values, confirmed=values), **more)


def edited(before: Values, **more: Any) -> Situation:
    """A resource whose older values Atlas has confirmed and shows, and whose present spec it has never been sent."""
    return settled(before, **{"confirmed_for": GENERATION - 1, "seen": GENERATION - 1, **more})


@dataclass(frozen=True)
class Sends:
    """A PATCH of these values is expected."""

    values: Values
    cause: Cause


@dataclass(frozen=True)
class Says:
    """No PATCH is expected, but this verdict.

    Attributes:
        words: parts of the message; what a person has to read.
        without: what must not be in it.
        differs: what is told as not as desired: ``connection``, ``comment``.
    """

    reason: Reason
    next: Next = field(default_factory=Rest)
    words: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()

    def differing(self, provider: Provider) -> set[ManagedField]:
        """The fields of a cloud that are told as not as desired."""
        connection = set(_CONNECTIONS[provider]["one"]) if "connection" in self.differs else set()
        return connection | ({COMMENT} if "comment" in self.differs else set())
