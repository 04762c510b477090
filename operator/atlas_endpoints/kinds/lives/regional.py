"""Endpoints that Atlas makes for a region, for one purpose: to keys of encryption at rest, to buckets of backups. Pure.

A region has one endpoint; a kind may have pairs of regions. Nothing of their calls was ever recorded, so answers are read leniently.
What a kind adds are reads beside the endpoints: what has to be on before a POST, and what needs the endpoint before a DELETE.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from pydantic.alias_generators import to_camel
from typing_extensions import override

from atlas_endpoints.atlas.errors import (
    AtlasError,
    EndpointAbsentError,
    InvalidRequestError,
    MissingRoleError,
    UpdateRejectedError,
)
from atlas_endpoints.atlas.requests import Refusals
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.controller.requeue import NoRequeue
from atlas_endpoints.kinds.commands import KindWithCommands
from atlas_endpoints.kinds.lives.life import Facts, Hindrance
from atlas_endpoints.kinds.lives.made import Made, words_of
from atlas_endpoints.kinds.parts.fields import values_of
from atlas_endpoints.kinds.parts.states import Dead, Going, States, Waits, Works
from atlas_endpoints.kinds.regional_resource import RegionalResource
from atlas_endpoints.kinds.regions import doubt, is_other_region, place_of
from atlas_endpoints.reconcile.compare import Comparison
from atlas_endpoints.reconcile.decision import POLL, Decision, Get, State, Write
from atlas_endpoints.reconcile.kind import Named
from atlas_endpoints.reconcile.outputs import Output
from atlas_endpoints.reconcile.reasons import EventReason, Progress, ReadyReason, Reason
from atlas_endpoints.reconcile.resource import FORCE_DELETE, part
from atlas_endpoints.reconcile.waiting import waiting, words

REFUSALS = Refusals(
    # No code of these calls is documented. Those that mean something else are known for all calls.
    absent=("_NOT_FOUND",),
    explanations={
        EndpointAbsentError: (
            "Atlas no longer has the endpoint in status.endpoint. To have it created again, set spec.driftPolicy to Correct, or set the"
            " annotation atlas-endpoints.dev/force-sync."
        ),
        InvalidRequestError: "Atlas cannot parse the request: projectId is malformed, or Atlas has no such endpoints in this cloud. To correct it, {wrong_field}.",
        MissingRoleError: (
            "The credentials may not do this: Atlas demands the role Project Owner in the project, even to read these endpoints. Grant"
            " it to the service account or API key in Atlas (Project Settings, Access Manager). {then}"
        ),
    },
)


class RegionalReason(ReadyReason):
    """The reason of ``Ready`` that only these kinds have."""

    RECREATING = "Recreating", "False", Progress.RECONCILING


R = TypeVar("R", bound=RegionalResource)


class Regional(Made[R]):
    """A kind of such endpoints. An entry is an endpoint; a scope is a cloud.

    Attributes:
        read_before_post: the read on which a POST rests; "": it rests on none.
        read_before_delete: the read that shows who needs an endpoint; "": nobody is known to.
        forced_deletion: what a forced deletion does, as the end of a sentence; with such a read.
        keys: those of the ConfigMap.
        purpose: what endpoints are for, for people.
    """

    read_before_post: ClassVar[str] = ""
    read_before_delete: ClassVar[str] = ""
    forced_deletion: ClassVar[str]
    purpose: ClassVar[str]
    keys: ClassVar[Sequence[str]] = ("endpointId", "privateEndpointConnectionName", "providerName", "region")

    of_place, place_noun = "endpoint of this region", "region"
    scope_noun = "provider"
    reasons: ClassVar[Sequence[ReadyReason]] = (*Reason, *RegionalReason)
    busy = KindWithCommands.busy | {RegionalReason.RECREATING}
    states: ClassVar[States] = {
        "ACTIVE": Works(),
        "INITIATING": Waits("Atlas is creating {what}. This takes a few minutes, and sometimes hours."),
        "PENDING_ACCEPTANCE": Waits("Atlas is connecting {what}."),
        "PENDING_RECREATION": Waits(
            "The connection of {what} was removed in the cloud. Atlas creates the endpoint again. {said}",
            RegionalReason.RECREATING,
            is_step=False,
            is_replaced=True,
        ),
        "FAILED": Dead(),
        "DELETING": Going(),
    }

    def needed_by(self, facts: Facts, endpoint: Any, value: Any) -> str:  # noqa: ARG002  # a default
        """Return who needs an endpoint, as a sentence with the ways out, by the value of ``read_before_delete``; "": nobody."""
        return ""

    def hindrance(self, facts: Facts, value: Any) -> State | None:  # noqa: ARG002  # a default
        """Return the state if Atlas would make no endpoint, by the value of ``read_before_post``; None: it makes one."""
        return None

    @override
    def body(self, spec: Any) -> Mapping[str, str]:
        return {spec.sent[field].name: region for field, region in spec.regions_in_atlas.items()}

    @override
    def works(self, facts: Facts, entry: Any, found: Comparison) -> State:
        said = f" Message from Atlas: {words(entry.error_message)}" if entry.error_message else ""
        return State(Reason.AVAILABLE, f"The endpoint is active.{said}", NoRequeue(), ())

    @override
    def waits(self, facts: Facts, entry: Any, found: Comparison, meaning: Waits) -> Decision:
        name, decision = entry.private_endpoint_connection_name, super().waits(facts, entry, found, meaning)
        if entry.status != "PENDING_ACCEPTANCE" or not name:
            return decision
        message = f"Atlas is connecting endpoint {entry.id}. The name of its connection is {words(name)}."
        return Decision(waiting(facts, meaning.reason, message, self.since(facts, entry), found.differences))

    @override
    def shown(self, facts: Facts, entry: Any, since: datetime) -> Any:
        return entry.model_copy(update={**facts.resource.spec.regions_in_atlas, "status_since": since})

    @override
    def doubt_about(self, spec: Any) -> str:
        regions = (spec.desired.get(to_camel(field)) for field in spec.regions_in_atlas)
        return "".join(dict.fromkeys(doubt(spec.provider_name, region) for region in regions if region))

    # Places.

    @override
    def place_of(self, made: Any) -> str:
        # By Azure's names: those of AWS's regions mean the same by them.
        return "" if made.region is None else place_of("AZURE", made.region, getattr(made, "vpc_region", None))

    @override
    def is_elsewhere(self, facts: Facts, made: Any) -> bool:
        spec = facts.resource.spec
        regions = spec.regions_in_atlas.items()
        return any(is_other_region(spec.provider_name, getattr(made, field), region) for field, region in regions)

    def may_be_in_region(self, facts: Facts, endpoint: Any, region: str | None) -> bool:
        """Return whether a region may be that of an endpoint, as the spec or Atlas names it: only a known other one is not."""
        provider, wanted = facts.resource.spec.provider_name, facts.resource.spec.region
        return not all(is_other_region(provider, region, name or wanted) for name in (wanted, endpoint.region))

    # What is read before a write.

    @override
    def before_post(self, facts: Facts) -> Hindrance:
        _, hindrance = super().before_post(facts)
        if hindrance is not None or not self.read_before_post:
            return (), hindrance
        gets, value = (Get(self.read_before_post, beside=True),), facts.view.value(self.read_before_post)
        if value is None:
            message = f"Atlas has no {facts.resource.called}. The operator looks whether Atlas would make one."
            return gets, State(Reason.PENDING, message, POLL)
        return gets, self.hindrance(facts, value)

    @override
    def before_delete(self, facts: Facts, entry: Any) -> Hindrance:
        if facts.resource.metadata.is_delete_forced or not self.read_before_delete:
            return (), None
        gets, value = (Get(self.read_before_delete, beside=True),), facts.view.value(self.read_before_delete)
        if value is None:
            message = f"The operator looks whether something in Atlas needs endpoint {entry.id}."
            return gets, State(Reason.DELETING, message, POLL)
        if not (needed := self.needed_by(facts, entry, value)):
            return gets, None
        message = f'{needed} Or set the annotation {FORCE_DELETE} to "true": {self.forced_deletion}'
        return gets, State(Reason.DELETION_BLOCKED, message, facts.as_long_again)

    @override
    def nothing_left(self, facts: Facts) -> Decision:
        decision, resource = super().nothing_left(facts), facts.resource
        if not (resource.status.is_being_deleted and resource.metadata.is_delete_forced and decision.gone):
            return decision
        said = f"The annotation {FORCE_DELETE} was set, so the operator did not ask who needs it."
        return replace(decision, gone=f"{decision.gone} {said}")

    # Plain JSON, and answers.

    @override
    def named_by(self, body: Body) -> Named:
        found = [part(body, "spec").get(name) for name in ("providerName", "region", "vpcRegion")]
        provider, region, vpc_region = (each if isinstance(each, str) else None for each in found)
        if provider is None or region is None:
            return Named(None)
        return Named(place_of(provider, region, vpc_region), recorded=self.entry_of(body))

    @override
    def shown_in(self, status: Mapping[str, Any]) -> Collection[str]:
        region, vpc_region = (part(status, "endpoint").get(name) for name in ("region", "vpcRegion"))
        if not isinstance(region, str):
            return ()
        return region if vpc_region in {None, region} else f"{region} from {vpc_region}", *super().shown_in(status)

    @override
    def written(self, write: Write, answer: Any) -> tuple[str, Any] | None:
        """Return the endpoint in the answer to a POST; None: it is of another region."""
        found, asked = super().written(write, answer), self.entry.read({**(write.request.body or {}), "id": "asked"})
        if found is None or write.request.method != "POST":
            return found
        pairs = [(getattr(found[1], field, None), getattr(asked, field, None)) for field in ("region", "vpc_region")]
        provider = write.request.path.rpartition("/privateEndpoints")[0].rpartition("/")[2]
        return None if any(is_other_region(provider, one, other or "") for one, other in pairs) else found

    @override
    def is_early(self, error: AtlasError) -> bool:
        if error.operation != self.api.delete or not isinstance(error, UpdateRejectedError):
            return False
        return any(each in words_of(error) for each in ("blocked during", "in progress", "try again later"))

    # What a resource tells.

    @override
    def outputs(self, resource: R, own: Mapping[str, Any]) -> Sequence[Output]:
        spec, endpoint = resource.spec, own.get("endpoint", resource.status.endpoint)
        if spec.output_config_map_ref is None:
            return ()
        values = None
        if endpoint is not None and endpoint.status in {"PENDING_ACCEPTANCE", "ACTIVE"}:
            name = endpoint.private_endpoint_connection_name
            regions = {to_camel(field): region for field, region in spec.regions_in_atlas.items()}
            shown = {"endpointId": endpoint.id, "privateEndpointConnectionName": name}
            if name or spec.provider_name != "AZURE":  # in AWS, an endpoint may have none
                values = values_of(self.keys, {"providerName": spec.provider_name}, shown, regions)
        return (Output(spec.output_config_map_ref.name, self.keys, values),)

    @override
    def news(self, previous: Mapping[str, Any], status: Mapping[str, Any]) -> Iterable[tuple[EventReason, str]]:
        yield from super().news(previous, status)
        before, endpoint = part(previous, "endpoint"), part(status, "endpoint")
        word, said = endpoint.get("status"), endpoint.get("errorMessage")
        if before.get("status") == "ACTIVE" and word in {"PENDING_RECREATION", "INITIATING", "PENDING_ACCEPTANCE"}:
            message = f"Endpoint {before['id']} was active, and is not any more: Atlas shows endpoint {endpoint['id']} as {word}."
            yield EventReason.ENDPOINT_WARNING, f"{message} Message from Atlas: {words(said)}"
        if word == "ACTIVE" and said and said != before.get("errorMessage"):
            message = f"Endpoint {endpoint['id']} is active. Message from Atlas: {words(said)}"
            yield EventReason.ENDPOINT_WARNING, message

    # Commands.

    @override
    def shown_scope(self, name: str) -> str:
        return f"{self.purpose} on {name}"
