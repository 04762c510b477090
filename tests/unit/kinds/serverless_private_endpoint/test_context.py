"""What planning learns from a resource and the status before."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from atlas_endpoints.engine.conditions import condition
from atlas_endpoints.kinds.serverless_private_endpoint.context import (
    Context,
    Correction,
    Defaults,
    Refusal,
    applied_of,
    forced,
    gather,
    status_since,
    still_confirmed,
)
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
from support.cases import manifest
from unit.kinds.serverless_private_endpoint.situations import (
    ADDRESS,
    COMMENT,
    ID,
    NOW,
    Situation,
    Values,
    seconds,
    settled,
)

ENDPOINT = Situation().endpoint("AWS")
FORCE, FLUX = "atlas-endpoints.dev/force-sync", "reconcile.fluxcd.io/requestedAt"


def resource(
    *, generation: int = 3, annotations: dict[str, str] | None = None, **spec: Any
) -> ServerlessPrivateEndpoint:
    body = manifest("AWS", spec)
    metadata = {
        "namespace": "default",
        "uid": "0c2cbb4e",
        "generation": generation,
        "resourceVersion": "7",
        "annotations": annotations or {},
    }
    return ServerlessPrivateEndpoint.parse({**body, "metadata": {**body["metadata"], **metadata}})


def context(status: Status, **spec: Any) -> Context:
    return gather(resource(**spec), status, ENDPOINT, now=NOW, in_doubt=False, defaults=Defaults())


def ready(reason: str, message: str = "") -> Any:
    return condition("Ready", status="False", reason=reason, message=message, generation=3, now=NOW)


def entry(ago: float, *fields: ManagedField, cause: Cause = Cause.EDIT, result: str = "Applied") -> HistoryEntry:
    return HistoryEntry(time=NOW - seconds(ago), generation=3, cause=cause, fields=fields, result=result)


class TestGather:
    def test_of_a_resource_that_was_never_seen(self) -> None:
        assert context(Status(), generation=1) == Context(
            now=NOW,
            generation=1,
            provider_name="AWS",
            seen_generation=-1,
            confirmed=None,
            confirmed_generation=-1,
            confirmed_at=None,
            patched={},
            status_since=NOW,
            forced=False,
            in_doubt=False,
            refusal=None,
            contacted=False,
            corrections=[],
            correct_drift=True,
            sync_interval=timedelta(minutes=10),
            provisioning_timeout=timedelta(hours=2),
        )

    def test_what_the_resource_says_goes_before_the_settings(self) -> None:
        spoken = context(Status(), syncInterval="1m", provisioningTimeout="3h", driftPolicy="Report")
        assert spoken.sync_interval == timedelta(minutes=1)
        assert spoken.provisioning_timeout == timedelta(hours=3)
        assert not spoken.correct_drift

    def test_what_was_confirmed(self) -> None:
        found = context(
            Status(
                observed_generation=3,
                applied=Applied(generation=2, comment="", cloud_provider_endpoint_id="vpce-1"),
                last_applied_time=NOW - seconds(5),
            )
        )
        assert found.confirmed == {ID: "vpce-1", COMMENT: ""}
        assert (found.seen_generation, found.confirmed_generation) == (3, 2)
        assert found.confirmed_at == NOW - seconds(5)
        assert found.contacted

    @pytest.mark.parametrize(
        ("result", "contacted"),
        [
            pytest.param("Applied", True, id="an earlier one was confirmed, though nothing counts any more"),
            pytest.param("Unknown: AtlasUnavailable", False, id="the answer to the first one was lost"),
            pytest.param("Rejected: INVALID_ATTRIBUTE", False, id="the first one was refused"),
        ],
    )
    def test_whether_it_was_ever_in_contact(self, result: str, contacted: bool) -> None:
        status = Status(observed_generation=3, history=(entry(5, COMMENT, result=result),))
        assert context(status).contacted is contacted

    def test_when_each_field_was_confirmed_last(self) -> None:
        history = (
            entry(1, ADDRESS, result="Rejected: INVALID_ATTRIBUTE"),
            entry(2, ID),
            entry(3, ID, COMMENT, cause=Cause.DRIFT),
            entry(4, COMMENT),
        )
        assert context(Status(observed_generation=3, history=history)).patched == {
            ID: NOW - seconds(2),
            COMMENT: NOW - seconds(3),
        }

    def test_the_corrections_of_drift_the_oldest_first(self) -> None:
        history = (
            entry(1, COMMENT, cause=Cause.DRIFT),
            entry(2, COMMENT, cause=Cause.DRIFT, result="Rejected: INVALID_ATTRIBUTE"),
            entry(3, COMMENT),
            entry(4, ID, COMMENT, cause=Cause.DRIFT),
            entry(5, COMMENT, cause=Cause.FORCED),
        )
        assert context(Status(observed_generation=3, history=history)).corrections == [
            Correction(NOW - seconds(4), frozenset({ID, COMMENT})),
            Correction(NOW - seconds(1), frozenset({COMMENT})),
        ]

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
        assert (context(status).confirmed_at == NOW) is hope


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
        assert context(self.STATUS).refusal == Refusal({ID: "vpce-1"}, "Atlas refuses the change.")

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
        assert context(self.STATUS.model_copy(update=changes)).refusal is None


class TestForced:
    @pytest.mark.parametrize(
        ("annotations", "handled", "expected"),
        [
            pytest.param({}, None, False, id="no request"),
            pytest.param({}, "1", False, id="a request that was withdrawn"),
            pytest.param({FORCE: "1"}, None, True, id="a first request"),
            pytest.param({FORCE: "1"}, "1", False, id="a request that was handled"),
            pytest.param({FORCE: "2"}, "1", True, id="a new request"),
            pytest.param({FLUX: "1"}, None, True, id="a request in Flux's words"),
        ],
    )
    def test_forced(self, annotations: dict[str, str], handled: str | None, expected: bool) -> None:
        status = Status(last_handled_reconcile_at=handled)
        assert forced(resource(annotations=annotations), status) is expected


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
        assert status_since(Status(endpoint=before), ENDPOINT, NOW) == since


class TestStillConfirmed:
    APPLIED = Applied(generation=2, cloud_provider_endpoint_id="vpce-1", comment="a")

    @pytest.mark.parametrize(
        ("desired", "generation", "kept"),
        [
            pytest.param({ID: "vpce-1", COMMENT: "a"}, 3, {ID: "vpce-1", COMMENT: "a"}, id="the spec wants the same"),
            pytest.param({ID: "VPCE-1"}, 3, {ID: "vpce-1", COMMENT: "a"}, id="it means the same, or does not care"),
            pytest.param({ID: "vpce-1", COMMENT: "b"}, 3, {ID: "vpce-1"}, id="it wants another value"),
            pytest.param({COMMENT: "b"}, 2, {ID: "vpce-1", COMMENT: "a"}, id="this very spec was stored otherwise"),
        ],
    )
    def test_what_counts(
        self, desired: dict[ManagedField, str], generation: int, kept: dict[ManagedField, str]
    ) -> None:
        found = still_confirmed(self.APPLIED, desired, generation)
        assert found == applied_of(2, kept)

    def test_nothing_was(self) -> None:
        assert still_confirmed(None, {COMMENT: "a"}, 3) is None


class TestAppliedOf:
    @pytest.mark.parametrize("values", [{}, {COMMENT: ""}, {ID: "vpce-1", ADDRESS: "10.0.0.4", COMMENT: "a"}])
    def test_it_is_written_and_read_back(self, values: dict[ManagedField, str]) -> None:
        applied = applied_of(3, values)
        assert (applied.generation, applied.values) == (3, values)


def test_a_settled_situation_is_what_the_tables_take_it_for() -> None:
    situation = replace(settled(Values("one", "a")), patched=((10, "comment"),))
    found = situation.context("AWS")
    assert found.confirmed == situation.desired("AWS")
    assert found.patched == {COMMENT: NOW - seconds(10)}
    assert found.status_since == NOW - seconds(60)
