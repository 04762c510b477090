"""The decisions about an endpoint: the rows of ``decide.yaml``, for both clouds."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from behaviour.cases import load
from unit.reconcile.situations import (
    ADDRESS,
    ENTRY,
    ID,
    PROVIDERS,
    REFUSED,
    Cause,
    Decision,
    NoRequeue,
    Provider,
    Refusal,
    RequeueAfter,
    Situation,
    State,
    Values,
    Write,
    answered,
    correction_delayed,
    decide,
    duration,
    edited,
    facts_of,
    fields_of,
    of_decision,
    situation,
    update_of,
    values,
)

Row: TypeAlias = Mapping[str, Any]
TABLES: Mapping[str, Mapping[str, Row]] = load(Path(__file__).with_name("decide.yaml"))
OF_THE_KIND = [name for name in TABLES if name not in {"observed", "correction_delayed", "answered"}]


def rows(*tables: str) -> Iterator[Any]:
    for table in tables:
        for name, row in TABLES[table].items():
            for provider in PROVIDERS:
                yield pytest.param(row, provider, id=f"{table}, {provider}: {name}")


def check_state(state: State, row: Row, provider: Provider) -> None:
    """Check a state against what a row says."""
    requeue = RequeueAfter(_seconds(row["requeue"])) if "requeue" in row else NoRequeue()
    assert (state.reason, state.requeue) == (row["says"], requeue), state
    assert [each for each in row.get("has", ()) if each not in state.message] == [], state.message
    assert [each for each in row.get("lacks", ()) if each in state.message] == [], state.message
    assert {each.field for each in state.differences or ()} == fields_of(provider, row.get("differs", ()))


def check(decision: Decision, row: Row, provider: Provider) -> None:
    write = decision.write
    if "says" in row:
        assert write is None
        check_state(decision.state, row, provider)
        return
    assert write is not None, decision.state
    assert (write.fields, write.cause) == (values(row["sends"]).on(provider), row["cause"])


def _seconds(text: str) -> float:
    return duration(text).total_seconds()


@pytest.mark.parametrize(("row", "provider"), list(rows(*OF_THE_KIND)))
def test_decide(row: Row, provider: Provider) -> None:
    found = situation(row)
    decision = decide(found.facts(provider))
    assert decision.seen == found.endpoint(provider)
    check(decision, row, provider)


@pytest.mark.parametrize(("row", "provider"), list(rows("observed")))
def test_observed(row: Row, provider: Provider) -> None:
    """Where nothing may be written; ``plans``: what would be sent."""
    facts = situation({"policy": "Observe", **row}).facts(provider)
    outcome = of_decision(facts, decide(facts))
    assert outcome.state is not None
    check_state(outcome.state, row, provider)
    body = None if outcome.plan is None else dict(outcome.plan.request.body or {})
    expected = values(row["plans"]).on(provider) if "plans" in row else None
    assert body == (None if expected is None else {"providerName": provider, **expected})


@pytest.mark.parametrize(("row", "provider"), list(rows("correction_delayed")))
def test_correction_delayed(row: Row, provider: Provider) -> None:
    """Where the drift limiter has a correction ``wait``."""
    facts = situation(row).facts(provider)
    decision = decide(facts)
    assert decision.write is not None
    assert decision.write.cause is Cause.DRIFT
    wait = math.inf if row["wait"] == "never" else _seconds(row["wait"])
    check_state(correction_delayed(facts, decision, wait), row, provider)


@pytest.mark.parametrize(("row", "provider"), list(rows("answered")))
def test_answered(row: Row, provider: Provider) -> None:
    """When a PATCH of ``sent`` has just been confirmed, and ``shows`` is the answer to it."""
    found, fields = situation(row), values(row["sent"]).on(provider)
    facts = found.facts(provider)
    request = update_of(facts, provider, fields)
    write = Write(request, Cause.EDIT, fields, touches=(ENTRY,))
    check_state(decide(answered(facts, write, found.endpoint(provider))).state, row, provider)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_write_is_one_call_and_touches_only_its_endpoint(provider: Provider) -> None:
    facts = edited(Values("one", "a"), wants=Values("one", "b")).facts(provider)
    write = decide(facts).write
    assert write is not None
    assert write.request == update_of(facts, provider, {"comment": "b"})
    assert (write.touches, type(write)) == ((ENTRY,), Write)


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        ("AWS", ("AWS", "com.amazonaws.vpce.us-east-1.vpce-svc-0")),
        ("AZURE", ("Azure", "pls_0", "/pls/0", "spec.privateEndpointIpAddress")),
    ],
)
def test_what_to_connect_to_is_named(provider: Provider, words: tuple[str, ...]) -> None:
    row = {"says": "WaitingForCloudEndpoint", "has": words}
    check(decide(Situation(status="RESERVED").facts(provider)), row, provider)


def test_azure_that_has_not_named_its_private_link_service() -> None:
    reserved = Situation(status="RESERVED")
    endpoint = reserved.endpoint("AWS").model_copy(update={"provider_name": "AZURE"})
    state = decide(facts_of(reserved.resource("AZURE"), reserved.before("AZURE"), endpoint)).state
    assert "Azure" in state.message
    assert "None" not in state.message


class TestAzure:
    """One field of a connection alone; AWS has but one."""

    MOVED = Values("one at another address")

    def test_a_reserved_endpoint_is_connected_with_both(self) -> None:
        write = decide(edited(values("one"), wants=self.MOVED, status="RESERVED").facts("AZURE")).write
        assert write is not None
        assert (write.fields, write.cause) == (self.MOVED.on("AZURE"), Cause.EDIT)

    def test_an_available_one_is_sent_what_differs(self) -> None:
        write = decide(edited(values("one"), wants=self.MOVED).facts("AZURE")).write
        assert write is not None
        assert (write.fields, write.cause) == ({ADDRESS: "10.0.0.9"}, Cause.EDIT)

    def test_a_connection_of_which_one_field_was_refused_and_the_other_edited_is_another_one(self) -> None:
        facts = edited(values("one"), wants=values("two b"), generation=4, seen=3).facts("AZURE")
        refusal = Refusal({ID: facts.desired[ID]}, REFUSED)
        facts = replace(facts, baseline=replace(facts.baseline, refusal=refusal))
        check(decide(facts), {"sends": "two b", "cause": "Edit"}, "AZURE")
