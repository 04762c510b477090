"""The facts from a resource and the status before."""

from datetime import timedelta
from typing import Any

import pytest

from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessPrivateEndpoint
from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessStatus as Status
from atlas_endpoints.reconcile.confirmed import baseline_of, confirmed_before
from atlas_endpoints.reconcile.facts import Baseline, Refusal
from atlas_endpoints.reconcile.status import Applied, Condition, DriftItem, LastError, Resolved
from unit.reconcile.situations import (
    COMMENT,
    ID,
    NOW,
    facts_of,
    made,
)


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
