"""What holds of every decision, whatever is wanted, shown, confirmed, refused or uncertain."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeAlias

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from atlas_endpoints.controller.requeue import NoRequeue, RequeueAfter
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.kinds.serverless_private_endpoint.resource import (
    EndpointStatus,
    ServerlessPrivateEndpoint,
    ServerlessStatus,
)
from atlas_endpoints.reconcile.compare import compare
from atlas_endpoints.reconcile.decision import Difference, Write
from atlas_endpoints.reconcile.facts import Baseline, Facts, Refusal
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.status import Cause
from atlas_endpoints.tunings import PATCH_LAGS, POLL_LAST
from unit.reconcile.situations import ADDRESS, COMMENT, ENTRY, ID, NOW, PROVIDERS, answered, facts_of, made

Situation: TypeAlias = tuple[Facts[ServerlessPrivateEndpoint], EndpointStatus]

A_RESYNC_LOOKS_AGAIN = {
    Reason.AVAILABLE,
    Reason.WAITING_FOR_CLOUD_ENDPOINT,
    Reason.PROVISIONING_TIMEOUT,
    Reason.ENDPOINT_FAILED,
    Reason.UPDATE_REJECTED,
    Reason.DRIFTED,
    Reason.INVALID_SPEC,
}
"""Reasons that rest: nothing is on its way, and the resync of the scope brings back what has changed."""

FIELDS: tuple[str, ...] = (ID, ADDRESS, COMMENT)
WANTED = {ID: ["vpce-1", "vpce-2"], ADDRESS: ["10.0.0.1", "10.0.0.2"], COMMENT: ["", "a", "b"]}
ODD = {ID: ["VPCE-1", "", "?"], ADDRESS: ["::ffff:10.0.0.1", "", "?"], COMMENT: ["A", "a "]}
STATUSES = ["RESERVATION_REQUESTED", "RESERVED", "INITIATING", "AVAILABLE", "FAILED", "DELETING"]
ANY = (*STATUSES, None, "", "REHEATING", "\x00\n")
ATTRIBUTES = {ID: "cloud_provider_endpoint_id", ADDRESS: "private_endpoint_ip_address", COMMENT: "comment"}
CONNECTION = {ID, ADDRESS}


def values(*, odd: bool = False) -> st.SearchStrategy[dict[str, str]]:
    """Some of the fields with values; with ``odd`` also in forms that a spec cannot have and Atlas may show."""
    return st.fixed_dictionaries(
        {}, optional={name: st.sampled_from(WANTED[name] + (ODD[name] if odd else [])) for name in FIELDS}
    )


def ago(limit: int) -> st.SearchStrategy[timedelta]:
    return st.integers(0, limit * 4).map(lambda quarters: timedelta(seconds=quarters / 4))


@st.composite
def resources(draw: st.DrawFn) -> ServerlessPrivateEndpoint:
    """What may be wanted; values need not be such as the API server would take."""
    resource = made(draw(st.sampled_from(PROVIDERS)), generation=draw(st.integers(1, 4)))
    wanted = {ATTRIBUTES[name]: value for name, value in draw(values()).items()}
    times = {name: timedelta(minutes=draw(st.integers(1, 1440))) for name in ("sync_interval", "provisioning_timeout")}
    drift_policy = draw(st.sampled_from(["Correct", "Report"]))
    spec = resource.spec.model_copy(update={**wanted, **times, "drift_policy": drift_policy})
    return resource.model_copy(update={"spec": spec})


@st.composite
def baselines(draw: st.DrawFn) -> Baseline:
    """What earlier reconciles may have come to."""
    refused = draw(values())
    fields = st.sampled_from(FIELDS)
    return Baseline(
        confirmed=draw(st.none() | values(odd=True)),
        confirmed_generation=draw(st.integers(-1, 4)),
        confirmed_at=draw(st.none() | ago(60).map(lambda past: NOW - past)),
        patched=draw(st.dictionaries(fields, ago(60).map(lambda past: NOW - past), max_size=3)),
        nothing_missed=draw(st.booleans()),
        refusal=Refusal(refused, "Atlas refuses.") if refused else None,
        contacted=draw(st.booleans()),
    )


@st.composite
def situations(draw: st.DrawFn, statuses: Sequence[str | None] = ANY) -> Situation:
    """A resource, what is known of it, and what Atlas may show."""
    resource, baseline = draw(resources()), draw(baselines())
    fields = {
        "status": draw(st.sampled_from(statuses)),
        "error_message": draw(st.sampled_from([None, "", "It broke.\n\x00"])),
        "provider_name": draw(st.sampled_from([None, "AWS", "AZURE", "GCP"])),
        "endpoint_service_name": draw(st.sampled_from([None, "", "svc"])),
        "private_link_service_resource_id": draw(st.sampled_from([None, "/pls"])),
        **{ATTRIBUTES[name]: value for name, value in draw(values(odd=True)).items()},
    }
    endpoint = EndpointStatus.model_validate({"id": ENTRY, **fields})
    previous = ServerlessStatus(endpoint=endpoint.model_copy(update={"status_since": NOW - draw(ago(10_000))}))
    facts = facts_of(resource, previous, endpoint, uncertain=draw(st.booleans()))
    return replace(facts, forced=draw(st.booleans()), baseline=baseline), endpoint


many = settings(max_examples=60, deadline=None)


def test_the_examples_set_each_field_that_is_sent_to_atlas() -> None:
    assert set(FIELDS) == set(ServerlessPrivateEndpoint.fields)


@many
@given(situations())
def test_a_patch_carries_only_what_is_managed_and_differs(situation: Situation) -> None:
    facts, endpoint = situation
    write = KIND.decide(facts).write
    if write is None:
        return
    assert write.fields
    assert write.fields.items() <= facts.desired.items()
    assert write.request.body == {"providerName": facts.resource.spec.provider_name, **write.fields}
    differing = {each.field for each in differences(facts, endpoint)}
    superfluous = write.fields.keys() - differing
    if facts.forced and endpoint.status == "FAILED":
        assert write.fields == facts.desired
    elif endpoint.status in {"RESERVED", "FAILED"} and differing & CONNECTION:
        assert superfluous <= CONNECTION
    else:
        assert not superfluous


@many
@given(situations())
def test_a_patch_is_sent_only_to_an_endpoint_that_takes_it(situation: Situation) -> None:
    facts, endpoint = situation
    write = KIND.decide(facts).write
    if write is None:
        return
    assert endpoint.status in {"RESERVED", "INITIATING", "AVAILABLE", "FAILED"}
    if endpoint.status == "INITIATING":
        assert not write.fields.keys() & CONNECTION
    if endpoint.status == "FAILED":
        assert endpoint.endpoint_service_name
    if endpoint.status == "RESERVED":
        assert ADDRESS not in write.fields or ID in write.fields


@many
@given(situations())
def test_what_is_only_drift_is_not_sent_where_it_is_only_reported(situation: Situation) -> None:
    facts, endpoint = situation
    spec = facts.resource.spec.model_copy(update={"drift_policy": "Report"})
    baseline = replace(facts.baseline, nothing_missed=True)
    resource = facts.resource.model_copy(update={"spec": spec})
    facts = replace(facts, resource=resource, uncertain=False, baseline=baseline)
    assume(not (facts.forced and endpoint.status == "FAILED"))
    write = KIND.decide(facts).write
    if write is None:
        return
    edits = {each.field for each in differences(facts, endpoint) if not confirms(facts, each.field)}
    assert write.fields.keys() <= (edits | CONNECTION if edits & CONNECTION else edits)
    assert write.cause is not Cause.DRIFT


@many
@given(situations())
def test_ready_means_available_and_as_specified(situation: Situation) -> None:
    facts, endpoint = situation
    state = KIND.decide(facts).state
    if state.reason is not Reason.AVAILABLE:
        return
    assert endpoint.status == "AVAILABLE"
    assert not state.differences
    for each in differences(facts, endpoint):
        # But for what Atlas has confirmed a moment ago and does not show yet, and which is no connection.
        assert confirms(facts, each.field)
        assert facts.now - facts.baseline.patched[each.field] < PATCH_LAGS
        assert each.field not in CONNECTION
        assert facts.desired.keys() <= (facts.baseline.confirmed or {}).keys()
        assert isinstance(state.requeue, RequeueAfter)


@many
@given(situations())
def test_there_is_always_a_way_back(situation: Situation) -> None:
    facts, endpoint = situation
    decision = KIND.decide(facts)
    if decision.write is not None:  # nothing more is sent in the same reconcile
        decision = KIND.decide(answered(facts, decision.write, endpoint))
    assert decision.state.message
    match decision.state.requeue:
        case RequeueAfter(delay):
            assert 0 < delay <= POLL_LAST
        case NoRequeue():
            assert decision.state.reason in A_RESYNC_LOOKS_AGAIN
        case other:
            raise AssertionError(other)


@many
@given(situations(), st.lists(ago(10_000), min_size=4, max_size=4))
def test_what_atlas_takes_and_shows_is_sent_once(situation: Situation, pauses: list[timedelta]) -> None:
    facts, endpoint = situation
    sent: set[str] = set()
    for pause in pauses:
        write = KIND.decide(facts).write
        if write is None:
            break
        differing = {each.field for each in differences(facts, endpoint)} & write.fields.keys()
        assert not sent & differing
        sent |= differing
        taken = {ATTRIBUTES[name]: value for name, value in write.fields.items()}
        endpoint = endpoint.model_copy(update=taken)
        facts = later(facts, write, endpoint, pause)
    else:
        raise AssertionError("there is no end of it")
    if not differences(facts, endpoint):
        assert KIND.decide(replace(facts, now=facts.now + pauses[0], forced=False)).write is None


@many
@given(situations(STATUSES), st.lists(ago(10_000), min_size=5, max_size=5))
def test_what_atlas_takes_and_stores_otherwise_is_sent_once(situation: Situation, pauses: list[timedelta]) -> None:
    facts, endpoint = replace(situation[0], uncertain=False), situation[1]
    sent: set[str] = set()
    for pause in pauses:
        write = KIND.decide(facts).write
        if write is None:
            facts = replace(facts, now=facts.now + pause)
            continue
        assert write.fields.keys() - sent
        sent |= write.fields.keys()
        facts = later(facts, write, endpoint, pause)


def differences(facts: Facts[ServerlessPrivateEndpoint], endpoint: EndpointStatus) -> tuple[Difference, ...]:
    return compare(facts.resource, facts.desired, endpoint)


def confirms(facts: Facts[ServerlessPrivateEndpoint], name: str) -> bool:
    confirmed = facts.baseline.confirmed or {}
    return name in confirmed and facts.resource.same(name, confirmed[name], facts.desired[name])


def later(
    facts: Facts[ServerlessPrivateEndpoint], write: Write, answer: EndpointStatus, pause: timedelta
) -> Facts[ServerlessPrivateEndpoint]:
    """What is known some time after Atlas has confirmed a PATCH by an answer, as a status then tells it."""
    baseline = facts.baseline
    if baseline.confirmed_generation != facts.generation:  # what the spec has left is void
        known = baseline.confirmed or {}
        kept = {name: value for name, value in known.items() if name in facts.desired and confirms(facts, name)}
        facts = replace(facts, baseline=replace(baseline, confirmed=kept))
    now, refused = facts.now, baseline.refusal.fields if baseline.refusal else {}
    remaining: Mapping[str, str] = {name: value for name, value in refused.items() if name not in write.fields}
    facts = answered(facts, write, answer)
    baseline = replace(
        facts.baseline,
        patched={**baseline.patched, **dict.fromkeys(write.fields, now)},
        contacted=True,
        refusal=Refusal(remaining, "Atlas refuses.") if remaining else None,
    )
    return replace(facts, now=now + pause, done=None, baseline=baseline)
