"""What holds of every decision, whatever is wanted, shown, confirmed, refused or in doubt."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from atlas_endpoints.atlas.errors import UpdateRejectedError
from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint
from atlas_endpoints.engine.outcome import Again, Rest
from atlas_endpoints.kinds.serverless_private_endpoint.comparison import CONNECTION, compare, same, shown
from atlas_endpoints.kinds.serverless_private_endpoint.context import Context, Correction, Refusal
from atlas_endpoints.kinds.serverless_private_endpoint.failures import refused_fields
from atlas_endpoints.kinds.serverless_private_endpoint.model import Cause, ManagedField
from atlas_endpoints.kinds.serverless_private_endpoint.plan import judge, plan
from atlas_endpoints.kinds.serverless_private_endpoint.policy import SETTLE
from atlas_endpoints.kinds.serverless_private_endpoint.reasons import Reason
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import Send, Verdict
from unit.kinds.serverless_private_endpoint.situations import ADDRESS, COMMENT, ID, NOW

A_ROUND_LOOKS_AGAIN = {
    Reason.AVAILABLE,
    Reason.WAITING_FOR_CLOUD_ENDPOINT,
    Reason.PROVISIONING_TIMEOUT,
    Reason.ENDPOINT_FAILED,
    Reason.UPDATE_REJECTED,
    Reason.DRIFTED,
    Reason.INVALID_SPEC,
}
"""Reasons that rest: nothing is on its way, and the round of the instance brings back what has changed."""

WANTED = {ID: ["vpce-1", "vpce-2"], ADDRESS: ["10.0.0.1", "10.0.0.2"], COMMENT: ["", "a", "b"]}
ODD = {ID: ["VPCE-1", "", "?"], ADDRESS: ["::ffff:10.0.0.1", "", "?"], COMMENT: ["A", "a "]}
STATUSES = ["RESERVATION_REQUESTED", "RESERVED", "INITIATING", "AVAILABLE", "FAILED", "DELETING"]


def values(*, odd: bool = False) -> st.SearchStrategy[dict[ManagedField, str]]:
    """Some of the fields with values; with ``odd`` also in forms that a spec cannot have and Atlas may show."""
    return st.fixed_dictionaries(
        {}, optional={field: st.sampled_from(WANTED[field] + (ODD[field] if odd else [])) for field in ManagedField}
    )


@st.composite
def endpoints(
    draw: st.DrawFn, statuses: Sequence[str | None] = (*STATUSES, None, "", "REHEATING", "\x00\n")
) -> Endpoint:
    """What Atlas may show."""
    fields = {
        "_id": "5f7cac1adf5d6c6306f4b283",
        "status": draw(st.sampled_from(statuses)),
        "errorMessage": draw(st.sampled_from([None, "", "It broke.\n\x00"])),
        "providerName": draw(st.sampled_from([None, "AWS", "AZURE", "GCP"])),
        "endpointServiceName": draw(st.sampled_from([None, "", "svc"])),
        "privateLinkServiceResourceId": draw(st.sampled_from([None, "/pls"])),
    }
    return Endpoint.model_validate({**fields, **draw(values(odd=True))})


def ago(limit: int) -> st.SearchStrategy[timedelta]:
    return st.integers(0, limit * 4).map(lambda quarters: timedelta(seconds=quarters / 4))


@st.composite
def contexts(draw: st.DrawFn) -> Context:
    """What may be known beside the desire and the observation."""
    corrections = sorted(draw(st.lists(ago(20_000), max_size=5)), reverse=True)
    refused = draw(values())
    return Context(
        now=NOW,
        generation=draw(st.integers(1, 4)),
        provider_name=draw(st.sampled_from(["AWS", "AZURE"])),
        seen_generation=draw(st.integers(-1, 4)),
        confirmed=draw(st.none() | values(odd=True)),
        confirmed_generation=draw(st.integers(-1, 4)),
        confirmed_at=draw(st.none() | ago(60).map(lambda past: NOW - past)),
        patched=draw(st.dictionaries(st.sampled_from(ManagedField), ago(60).map(lambda past: NOW - past), max_size=3)),
        status_since=NOW - draw(ago(10_000)),
        forced=draw(st.booleans()),
        in_doubt=draw(st.booleans()),
        refusal=Refusal(refused, "Atlas refuses.") if refused else None,
        contacted=draw(st.booleans()),
        corrections=[
            Correction(NOW - past, frozenset(draw(st.sets(st.sampled_from(ManagedField))))) for past in corrections
        ],
        correct_drift=draw(st.booleans()),
        sync_interval=timedelta(minutes=draw(st.integers(1, 1440))),
        provisioning_timeout=timedelta(minutes=draw(st.integers(1, 1440))),
    )


many = settings(max_examples=60, deadline=None)


@many
@given(values(), endpoints(), contexts())
def test_a_patch_carries_only_what_is_managed_and_differs(
    desired: dict[ManagedField, str], endpoint: Endpoint, context: Context
) -> None:
    action = plan(desired, endpoint, context)
    if not isinstance(action, Send):
        return
    assert action.fields
    assert action.fields.items() <= desired.items()
    differing = {each.field for each in compare(desired, endpoint)}
    superfluous = action.fields.keys() - differing
    if context.forced and endpoint.status == "FAILED":
        assert action.fields == desired
    elif endpoint.status in {"RESERVED", "FAILED"} and differing & CONNECTION:
        assert superfluous <= CONNECTION
    else:
        assert not superfluous


@many
@given(values(), endpoints(), contexts())
def test_a_patch_is_sent_only_to_an_endpoint_that_takes_it(
    desired: dict[ManagedField, str], endpoint: Endpoint, context: Context
) -> None:
    action = plan(desired, endpoint, context)
    if not isinstance(action, Send):
        return
    assert endpoint.status in {"RESERVED", "INITIATING", "AVAILABLE", "FAILED"}
    if endpoint.status == "INITIATING":
        assert action.fields.keys() == {COMMENT}
    if endpoint.status == "FAILED":
        assert endpoint.endpoint_service_name
    if endpoint.status == "RESERVED":
        assert ADDRESS not in action.fields or ID in action.fields


@many
@given(values(), endpoints(), contexts())
def test_what_is_only_drift_is_not_sent_where_it_is_only_reported(
    desired: dict[ManagedField, str], endpoint: Endpoint, context: Context
) -> None:
    context = replace(context, correct_drift=False, in_doubt=False, seen_generation=context.generation)
    assume(not (context.forced and endpoint.status == "FAILED"))
    action = plan(desired, endpoint, context)
    confirmed = context.confirmed or {}
    if not isinstance(action, Send):
        return
    edits = {each.field for each in compare(desired, endpoint) if not _confirms(confirmed, desired, each.field)}
    assert action.fields.keys() <= (edits | CONNECTION if edits & CONNECTION else edits)
    assert action.cause is not Cause.DRIFT


@many
@given(values(), endpoints(), contexts())
def test_ready_means_available_and_as_specified(
    desired: dict[ManagedField, str], endpoint: Endpoint, context: Context
) -> None:
    for verdict in (plan(desired, endpoint, context), judge(desired, endpoint, context)):
        if not isinstance(verdict, Verdict) or verdict.reason is not Reason.AVAILABLE:
            continue
        assert endpoint.status == "AVAILABLE"
        assert not verdict.differences
        for each in compare(desired, endpoint):
            # But for what Atlas has confirmed a moment ago and does not show yet, and which is no connection.
            assert _confirms(context.confirmed or {}, desired, each.field)
            assert context.now - context.patched[each.field] < SETTLE
            assert each.field not in CONNECTION
            assert desired.keys() <= (context.confirmed or {}).keys()
            assert isinstance(verdict.next, Again)


@many
@given(values(), endpoints(), contexts())
def test_there_is_always_a_way_back(desired: dict[ManagedField, str], endpoint: Endpoint, context: Context) -> None:
    action, verdict = plan(desired, endpoint, context), judge(desired, endpoint, context)
    assert verdict.message
    match verdict.next:
        case Again(delay):
            assert 0 < delay <= 60
        case Rest():
            assert verdict.reason in A_ROUND_LOOKS_AGAIN
        case other:
            raise AssertionError(other)
    if isinstance(action, Verdict):
        assert action == verdict


@many
@given(values(), endpoints(), contexts(), st.lists(ago(10_000), min_size=4, max_size=4))
def test_what_atlas_takes_and_shows_is_sent_once(
    desired: dict[ManagedField, str], endpoint: Endpoint, context: Context, pauses: list[timedelta]
) -> None:
    sent: set[ManagedField] = set()
    for pause in pauses:
        action = plan(desired, endpoint, context)
        if isinstance(action, Verdict):
            break
        differing = {each.field for each in compare(desired, endpoint)} & action.fields.keys()
        assert not sent & differing
        sent |= differing
        endpoint = endpoint.model_copy(update={_ATTRIBUTES[field]: value for field, value in action.fields.items()})
        context = _confirmed(context, desired, endpoint, action.fields, pause)
    else:
        raise AssertionError("there is no end of it")
    if not compare(desired, endpoint):
        later = replace(context, now=context.now + pauses[0], forced=False)
        assert isinstance(plan(desired, endpoint, later), Verdict)


@many
@given(
    values(),
    endpoints(STATUSES),
    contexts(),
    st.lists(ago(10_000), min_size=5, max_size=5),
)
def test_what_atlas_takes_and_stores_otherwise_is_sent_once(
    desired: dict[ManagedField, str], endpoint: Endpoint, context: Context, pauses: list[timedelta]
) -> None:
    context = replace(context, in_doubt=False)
    sent: set[ManagedField] = set()
    for pause in pauses:
        action = plan(desired, endpoint, context)
        if isinstance(action, Send):
            due = action.fields.keys() - sent
            assert due
            sent |= action.fields.keys()
            context = _confirmed(context, desired, endpoint, action.fields, pause)
        else:
            context = replace(context, now=context.now + pause)


@many
@given(
    values(),
    endpoints(["RESERVED", "INITIATING", "AVAILABLE", "FAILED"]),
    contexts(),
    st.lists(st.sampled_from(["no", *ManagedField]), min_size=4, max_size=4),
)
def test_what_atlas_refuses_is_tried_without_the_culprit_and_then_left_to_the_rounds(
    desired: dict[ManagedField, str], endpoint: Endpoint, context: Context, blamed: list[str]
) -> None:
    context = replace(context, forced=False)
    for words in blamed:
        action = plan(desired, endpoint, context)
        if isinstance(action, Verdict):
            return
        names = tuple(action.fields)
        refused = refused_fields(UpdateRejectedError("Refused.", operation="update", detail=words), names)
        if set(refused) == set(names):
            return  # nothing is left that could go without
        remembered = {each.field: each.desired for each in compare(desired, endpoint) if each.field in refused}
        context = replace(context, refusal=Refusal(remembered, "Atlas refuses."))
    raise AssertionError("it goes on and on at once")


_ATTRIBUTES = {
    ID: "cloud_provider_endpoint_id",
    ADDRESS: "private_endpoint_ip_address",
    COMMENT: "comment",
}


def _confirms(confirmed: Mapping[ManagedField, str], desired: Mapping[ManagedField, str], field: ManagedField) -> bool:
    return field in confirmed and same(field, confirmed[field], desired[field])


def _confirmed(
    context: Context,
    desired: Mapping[ManagedField, str],
    answer: Endpoint,
    sent: Mapping[ManagedField, str],
    pause: timedelta,
) -> Context:
    """What is known some time after Atlas has confirmed a PATCH by an answer."""
    kept = {
        field: value
        for field, value in (context.confirmed or {}).items()
        if field in desired
        and field not in sent
        and (same(field, value, desired[field]) or context.confirmed_generation == context.generation)
    }
    refused = context.refusal.fields if context.refusal else {}
    remaining = {field: value for field, value in refused.items() if field not in sent}
    return replace(
        context,
        now=context.now + pause,
        confirmed={**kept, **{field: shown(answer, field) or "" for field in sent}},
        confirmed_generation=context.generation,
        confirmed_at=context.now,
        patched={**context.patched, **dict.fromkeys(sent, context.now)},
        seen_generation=context.generation,
        forced=False,
        in_doubt=False,
        contacted=True,
        refusal=Refusal(remaining, "Atlas refuses.") if remaining else None,
    )
