"""The facts from a resource and the status before."""

from datetime import timedelta
from typing import Any

import pytest

from atlas_endpoints.kinds.serverless_private_endpoint.decide import status_since
from atlas_endpoints.kinds.serverless_private_endpoint.resource import EndpointStatus, ServerlessPrivateEndpoint
from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessStatus as Status
from atlas_endpoints.reconcile.confirmed import baseline_of, confirmed_before
from atlas_endpoints.reconcile.facts import Baseline, Refusal
from atlas_endpoints.reconcile.status import Applied, Cause, Condition, DriftItem, HistoryEntry, LastError, Resolved
from unit.reconcile.situations import (
    COMMENT,
    ID,
    NOW,
    Situation,
    facts_of,
    made,
    seconds,
)

ENDPOINT = Situation().endpoint("AWS")
FORCE, FLUX = "atlas-endpoints.dev/force-sync", "reconcile.fluxcd.io/requestedAt"


def after(status: Status, **spec: Any) -> ServerlessPrivateEndpoint:
    """A resource, with the status before."""
    return made(**spec).model_copy(update={"status": status})


def baseline(status: Status, **spec: Any) -> Baseline:
    return baseline_of(after(status, **spec))


def ready(reason: str, message: str = "") -> Any:
    return Condition(
        type="Ready",
        status="False",
        reason=reason,
        message=message,
        observed_generation=3,
        last_transition_time=NOW,
    )


def entry(ago: float, *fields: str, cause: Cause = Cause.EDIT, result: str = "Applied") -> HistoryEntry:
    return HistoryEntry(time=NOW - seconds(ago), generation=3, cause=cause, fields=fields, result=result)


class TestFacts:
    def test_what_the_resource_says_goes_before_the_settings(self) -> None:
        facts = facts_of(made(syncInterval="1m", provisioningTimeout="3h"), Status())
        assert (facts.interval, facts.provisioning_timeout) == (timedelta(minutes=1), timedelta(hours=3))

    @pytest.mark.parametrize(
        ("wanted", "writes", "policy"),
        [
            ("Manage", True, "Manage"),
            ("Manage", False, "Observe"),
            ("Observe", False, "Observe"),
            ("Observe", True, "Observe"),
            ("Plan", True, "Observe"),
        ],
    )
    def test_where_nothing_may_be_written_the_policy_is_observe(self, wanted: str, writes: bool, policy: str) -> None:
        assert facts_of(made(managementPolicy=wanted), Status(), writes=writes).policy == policy


class TestBaseline:
    @pytest.mark.parametrize(
        ("result", "contacted"),
        [
            pytest.param("Applied", True, id="an earlier one was confirmed, though nothing counts any more"),
            pytest.param("Unknown: AtlasUnavailable", False, id="the answer to the first one was lost"),
            pytest.param("Rejected: INVALID_ATTRIBUTE", False, id="the first one was refused"),
        ],
    )
    def test_whether_a_write_was_ever_confirmed(self, result: str, contacted: bool) -> None:
        status = Status(observed_generation=3, history=(entry(5, COMMENT, result=result),))
        assert baseline(status).contacted is contacted

    @pytest.mark.parametrize(
        ("reason", "seen", "hope"),
        [
            pytest.param("Pending", 3, True, id="nothing is known yet"),
            pytest.param("UpdateRejected", 3, False, id="this spec was told as rejected: Atlas is not merely slow"),
            pytest.param("UpdateRejected", 2, True, id="an older spec was"),
        ],
    )
    def test_whether_atlas_may_merely_be_slow(self, reason: str, seen: int, hope: bool) -> None:
        status = Status(observed_generation=seen, conditions=(ready(reason),), last_applied_time=NOW)
        assert (baseline(status).confirmed_at == NOW) is hope


class TestRefusal:
    STATUS = Status(
        observed_generation=3,
        conditions=(ready("UpdateRejected", "Atlas refuses the change."),),
        drift=(
            DriftItem(field="comment", desired="b", actual="a"),
            DriftItem(field="cloudProviderEndpointId", desired="vpce-1"),
        ),
        last_error=LastError(
            since=NOW,
            operation="update",
            retryable=False,
            fields=("cloudProviderEndpointId", "privateEndpointIpAddress"),
        ),
    )

    def test_it_is_read_back_from_the_status(self) -> None:
        assert baseline(self.STATUS).refusal == Refusal({ID: "vpce-1"}, "Atlas refuses the change.")

    @pytest.mark.parametrize(
        "changes",
        [
            pytest.param({"conditions": (ready("AtlasUnavailable"),)}, id="another failure has come since"),
            pytest.param({"conditions": ()}, id="nothing was said"),
            pytest.param({"last_error": None}, id="the change was stored otherwise and not refused"),
            pytest.param({"drift": ()}, id="nothing differs"),
            pytest.param(
                {"drift": (DriftItem(field="cloudProviderEndpointId"), DriftItem(field="region", desired="x"))},
                id="the status is from another version",
            ),
        ],
    )
    def test_there_is_none(self, changes: dict[str, Any]) -> None:
        assert baseline(self.STATUS.model_copy(update=changes)).refusal is None


class TestStatusSince:
    BEFORE = EndpointStatus(id=ENDPOINT.id, status="AVAILABLE", status_since=NOW - seconds(60))

    @pytest.mark.parametrize(
        ("before", "since"),
        [
            pytest.param(BEFORE, NOW - seconds(60), id="the same status"),
            pytest.param(BEFORE.model_copy(update={"status": "INITIATING"}), NOW, id="another status"),
            pytest.param(BEFORE.model_copy(update={"id": "1"}), NOW, id="another endpoint"),
            pytest.param(BEFORE.model_copy(update={"status_since": None}), NOW, id="nobody knows since when"),
            pytest.param(None, NOW, id="never seen"),
        ],
    )
    def test_status_since(self, before: EndpointStatus | None, since: Any) -> None:
        assert status_since(facts_of(made(), Status(endpoint=before)), ENDPOINT) == since


class TestConfirmedBefore:
    """A value that the spec no longer wants, or that a reference has replaced, does not count."""

    ONE, TWO = "vpce-11111111111111111", "vpce-22222222222222222"
    APPLIED = Applied.of(2, {ID: ONE, COMMENT: "a"})

    @pytest.mark.parametrize(
        ("spec", "generation", "resolved", "kept"),
        [
            pytest.param({ID: ONE, COMMENT: "a"}, 3, None, {ID: ONE, COMMENT: "a"}, id="the spec wants the same"),
            pytest.param({}, 3, None, {ID: ONE, COMMENT: "a"}, id="it does not care"),
            pytest.param({ID: ONE, COMMENT: "b"}, 3, None, {ID: ONE}, id="it wants another value"),
            pytest.param({COMMENT: "b"}, 2, None, {ID: ONE, COMMENT: "a"}, id="this very spec was stored otherwise"),
            pytest.param({ID: TWO}, 2, TWO, {ID: ONE, COMMENT: "a"}, id="this very connection was stored otherwise"),
            pytest.param({ID: TWO}, 2, ONE, {COMMENT: "a"}, id="what it refers to has got another value"),
        ],
    )
    def test_what_counts(
        self, spec: dict[str, Any], generation: int, resolved: str | None, kept: dict[str, str]
    ) -> None:
        used = None if resolved is None else Resolved.model_validate({ID: resolved})
        before = Status(applied=self.APPLIED, resolved=used)
        found = confirmed_before(after(before, generation=generation, **spec))
        assert found == Applied.of(2, kept)

    def test_the_case_of_letters_does_not_count(self) -> None:
        previous = Status(applied=Applied.of(2, {ID: self.ONE.upper()}))
        assert confirmed_before(after(previous, cloudProviderEndpointId=self.ONE)) == previous.applied

    def test_nothing_was(self) -> None:
        assert confirmed_before(after(Status(), comment="a")) is None
