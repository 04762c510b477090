"""What is read of a resource, whatever is in it, and how its status is written and read back."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from atlas_endpoints.kinds.serverless_private_endpoint.resource import (
    EndpointStatus,
    ServerlessPrivateEndpoint,
    Spec,
)
from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessStatus as Status
from atlas_endpoints.reconcile.resource import ObjectMeta, watched_annotations
from atlas_endpoints.reconcile.spec import InvalidSpecError
from atlas_endpoints.reconcile.status import (
    Applied,
    Cause,
    Condition,
    DriftItem,
    HistoryEntry,
    LastError,
    Resolved,
)
from support.cases import manifest

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
OURS, MONGODBS = "atlas-endpoints.dev/reconcile-policy", "mongodb.com/atlas-reconciliation-policy"


def body_of(manifest: Any, **metadata: Any) -> dict[str, Any]:
    """A manifest as the API server gives it back."""
    given = {"namespace": "default", "uid": "0c2cbb4e", "generation": 1, "resourceVersion": "7"}
    return {**manifest, "metadata": {**given, **manifest["metadata"], **metadata}}


def spec(base: str = "AWS", **fields: Any) -> Spec:
    return Spec.parse(manifest(base, fields)["spec"])


def meta(**annotations: str) -> ObjectMeta:
    return ObjectMeta.parse(body_of(manifest("AWS"), annotations=annotations))


class TestParse:
    def test_the_error_for_a_spec_is_bounded(self) -> None:
        body = body_of(manifest("AWS", {f"field{number}" * 100: "x" for number in range(100)}))
        with pytest.raises(InvalidSpecError) as refusal:
            ServerlessPrivateEndpoint.parse(body)
        assert len(refusal.value.problems) == 8
        assert all(len(problem) <= 300 for problem in refusal.value.problems)

    def test_the_error_shows_the_beginning_of_a_long_value(self) -> None:
        with pytest.raises(
            InvalidSpecError, match=r'^spec.cloudProviderEndpointId: Invalid value: \["x{57}…: must be of'
        ):
            spec(cloudProviderEndpointId=["x" * 1000])

    def test_a_resource_without_valid_metadata_is_rejected(self) -> None:
        with pytest.raises(InvalidSpecError, match=r"^metadata.uid: Required value"):
            ObjectMeta.parse({"metadata": {"name": "x", "namespace": "y", "generation": 1, "resourceVersion": "1"}})


class TestDesired:
    @pytest.mark.parametrize(
        ("fields", "desired"),
        [
            pytest.param({}, {}, id="a field that is absent is not managed"),
            pytest.param({"comment": None}, {}, id="a field that is null is not managed"),
            pytest.param({"comment": ""}, {"comment": ""}, id="an empty comment is managed: it clears"),
            pytest.param(
                {"comment": "orders", "cloudProviderEndpointId": "vpce-0123456789abcdef0"},
                {"cloudProviderEndpointId": "vpce-0123456789abcdef0", "comment": "orders"},
                id="fields that are there are managed with their values",
            ),
        ],
    )
    def test_desired(self, fields: dict[str, Any], desired: dict[str, str]) -> None:
        assert spec(**fields).desired == desired

    def test_applied_has_the_form_of_desired(self) -> None:
        desired = spec("AZURE_CONNECTED", comment="").desired
        assert Applied.of(1, desired).values == desired


class TestAnnotations:
    @pytest.mark.parametrize(
        ("suspend", "annotations", "by"),
        [
            pytest.param(False, {}, (), id="nothing said: not suspended"),
            pytest.param(True, {}, ("spec.suspend",), id="the spec suspends"),
            pytest.param(False, {OURS: "skip"}, (f"the annotation {OURS}",), id="the annotation suspends"),
            pytest.param(False, {MONGODBS: "skip"}, (f"the annotation {MONGODBS}",), id="MongoDB's name works too"),
            pytest.param(False, {OURS: " Skip\n"}, (f"the annotation {OURS}",), id="a careless skip is a skip"),
            pytest.param(False, {OURS: "manage"}, (), id="another value is none"),
            pytest.param(True, {OURS: "manage"}, ("spec.suspend",), id="it does not undo the spec"),
            pytest.param(
                True,
                {MONGODBS: "skip", OURS: "skip"},
                ("spec.suspend", f"the annotation {OURS}", f"the annotation {MONGODBS}"),
                id="all that suspends is named",
            ),
            pytest.param(
                False, {"example.com/reconcile-policy": "skip"}, (), id="a stranger's annotation says nothing"
            ),
        ],
    )
    def test_suspended_by(self, suspend: bool, annotations: dict[str, str], by: tuple[str, ...]) -> None:
        body = body_of(manifest("AWS", {"suspend": suspend}), annotations=annotations)
        assert ServerlessPrivateEndpoint.parse(body).suspended_by == by

    @pytest.mark.parametrize(
        ("annotations", "token"),
        [
            pytest.param({}, None, id="no annotation: no request"),
            pytest.param({"atlas-endpoints.dev/force-sync": ""}, None, id="an empty one: no request"),
            pytest.param({"atlas-endpoints.dev/force-sync": "1"}, "1", id="the value as it stands"),
            pytest.param({"reconcile.fluxcd.io/requestedAt": "noon"}, "noon", id="Flux's name works too"),
            pytest.param(
                {"reconcile.fluxcd.io/requestedAt": "noon", "atlas-endpoints.dev/force-sync": "1"},
                '["1", "noon"]',
                id="both values, in a fixed order",
            ),
            pytest.param({"atlas-endpoints.dev/force-sync": "é" * 256}, "é" * 256, id="a long value as it stands"),
            pytest.param(
                {"atlas-endpoints.dev/force-sync": "1" * 257},
                "sha256:409339361ec2c199ca6a3b2c1134e268ad96880bf73b3a3ef4184ba18805a206",
                id="a digest of a value that is too long for the status",
            ),
        ],
    )
    def test_reconcile_request(self, annotations: dict[str, str], token: str | None) -> None:
        assert meta(**annotations).reconcile_request == token

    @given(
        st.lists(
            st.tuples(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=300)), min_size=2, max_size=2
        )
    )
    def test_a_new_value_of_either_annotation_is_a_new_request_that_fits_the_status(
        self, values: list[tuple[str, str]]
    ) -> None:
        tokens = [
            meta(**{"atlas-endpoints.dev/force-sync": force, "reconcile.fluxcd.io/requestedAt": flux}).reconcile_request
            for force, flux in values
        ]
        assert (tokens[0] == tokens[1]) == (values[0] == values[1])
        for token in tokens:
            assert Status.parse({"lastHandledReconcileAt": token}).last_handled_reconcile_at == token

    @pytest.mark.parametrize(
        ("metadata", "watched"),
        [
            pytest.param({}, {}, id="none"),
            pytest.param({"annotations": None}, {}, id="null"),
            pytest.param(
                {
                    "annotations": {
                        "kubectl.kubernetes.io/last-applied-configuration": "{}",
                        "argocd.argoproj.io/tracking-id": "x",
                        "atlas-endpoints.dev/credentials-secret": "y",
                        "atlas-endpoints.dev/deletion-policy": "Delete",
                        "atlas-endpoints.dev/endpoint-id": "z",
                        "atlas-endpoints.dev/force-finalize": "true",
                        "atlas-endpoints.dev/force-sync": "1",
                        "atlas-endpoints.dev/reconcile-policy": "skip",
                        "mongodb.com/atlas-reconciliation-policy": "skip",
                        "mongodb.com/atlas-resource-policy": "keep",
                        "reconcile.fluxcd.io/requestedAt": "2",
                    }
                },
                {
                    "atlas-endpoints.dev/deletion-policy": "Delete",
                    "atlas-endpoints.dev/endpoint-id": "z",
                    "atlas-endpoints.dev/force-finalize": "true",
                    "atlas-endpoints.dev/force-sync": "1",
                    "atlas-endpoints.dev/reconcile-policy": "skip",
                    "mongodb.com/atlas-reconciliation-policy": "skip",
                    "mongodb.com/atlas-resource-policy": "keep",
                    "reconcile.fluxcd.io/requestedAt": "2",
                },
                id="only those that ask the operator for something",
            ),
        ],
    )
    def test_watched_annotations(self, metadata: dict[str, Any], watched: dict[str, str]) -> None:
        assert watched_annotations({"metadata": metadata}) == watched


def ready(**changes: Any) -> Condition:
    fields: dict[str, Any] = {
        "type": "Ready",
        "status": "True",
        "reason": "Available",
        "message": "all is well",
        "observed_generation": 1,
        "last_transition_time": NOON,
    }
    return Condition(**{**fields, **changes})


def entry(generation: int = 1) -> HistoryEntry:
    return HistoryEntry(time=NOON, generation=generation, cause=Cause.EDIT, fields=("comment",), result="Updated")


FULL = Status(
    observed_generation=1,
    conditions=(ready(), ready(type="Synced", reason="InSync")),
    applied=Applied.of(1, {"cloudProviderEndpointId": "vpce-1", "privateEndpointIpAddress": "10.0.0.4", "comment": ""}),
    endpoint=EndpointStatus(id="5f7c", status="AVAILABLE", status_since=NOON, comment=""),
    resolved=Resolved(project_id="32b6", credentials_source="resource/atlas"),
    drift=(DriftItem(field="comment", desired="a", actual="b"),),
    last_error=LastError(
        since=NOON,
        operation="readSecret",
        http_status=400,
        error_code="X",
        detail="no",
        retryable=False,
        fields=("comment",),
    ),
    last_applied_time=NOON,
    last_handled_reconcile_at="1",
    history=(entry(),),
)
WIRE: dict[str, Any] = {
    "observedGeneration": 1,
    "conditions": [
        {
            "type": kind,
            "status": "True",
            "reason": reason,
            "message": "all is well",
            "observedGeneration": 1,
            "lastTransitionTime": "2026-11-25T12:00:00Z",
        }
        for kind, reason in (("Ready", "Available"), ("Synced", "InSync"))
    ],
    "applied": {"generation": 1, "cloudProviderEndpointId": "vpce-1", "privateEndpointIpAddress": "10.0.0.4", "comment": ""},
    "endpoint": {"id": "5f7c", "status": "AVAILABLE", "statusSince": "2026-11-25T12:00:00Z", "comment": ""},
    "resolved": {"projectId": "32b6", "credentialsSource": "resource/atlas"},
    "drift": [{"field": "comment", "desired": "a", "actual": "b"}],
    "lastError": {
        "since": "2026-11-25T12:00:00Z",
        "operation": "readSecret",
        "httpStatus": 400,
        "errorCode": "X",
        "detail": "no",
        "retryable": False,
        "fields": ["comment"],
    },
    "lastAppliedTime": "2026-11-25T12:00:00Z",
    "lastHandledReconcileAt": "1",
    "history": [{"time": "2026-11-25T12:00:00Z", "generation": 1, "cause": "Edit", "fields": ["comment"], "result": "Updated"}],
}  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("2026-11-25T12:00:00Z"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


class TestStatus:
    def test_json_has_wire_names_and_no_nulls(self) -> None:
        assert FULL.to_json() == WIRE

    def test_a_written_status_is_equal_when_read_back(self) -> None:
        assert Status.parse(WIRE) == FULL

    def test_times_after_now_are_read_as_now(self) -> None:
        now = "2026-10-25T12:00:00Z"
        wire = json.loads(json.dumps(WIRE).replace("2026-11-25T12:00:00Z", now))
        assert Status.parse(WIRE, now=NOON - timedelta(days=31)).to_json() == wire
        assert Status.parse(wire, now=NOON).to_json() == wire

    def test_the_default_status_is_that_of_the_crd(self) -> None:
        assert Status().to_json() == {"observedGeneration": -1}

    @pytest.mark.parametrize("raw", [None, {}, [], "x", 7], ids=repr)
    def test_no_status_reads_as_the_default(self, raw: object) -> None:
        assert Status.parse(raw) == Status()

    @pytest.mark.parametrize(
        ("changes", "read"),
        [
            pytest.param({"phase": "Ready"}, FULL, id="an unknown field is left out"),
            pytest.param({"endpoint": {**WIRE["endpoint"], "region": "eu"}}, FULL, id="and so inside"),
            pytest.param({"observedGeneration": "x"}, FULL.model_copy(update={"observed_generation": -1}), id="a generation that is none: not observed"),
            pytest.param({"applied": {"comment": "x"}}, FULL.model_copy(update={"applied": None}), id="a block without what it needs is absent"),
            pytest.param({"lastAppliedTime": "noon"}, FULL.model_copy(update={"last_applied_time": None}), id="a time that is none is absent"),
            pytest.param({"lastAppliedTime": "9999-12-31T23:59:59-23:00"}, FULL.model_copy(update={"last_applied_time": None}), id="a time after the last year in UTC is absent"),
            pytest.param({"lastAppliedTime": "0001-01-01T00:00:00+23:00"}, FULL.model_copy(update={"last_applied_time": None}), id="a time before the first year in UTC is absent"),
            pytest.param({"endpoint": {"id": 7, "status": "AVAILABLE"}}, FULL.model_copy(update={"endpoint": EndpointStatus(status="AVAILABLE")}), id="an unreadable text is absent, its neighbours stay"),
            pytest.param({"conditions": [{"type": "New"}, *WIRE["conditions"]]}, FULL, id="a condition without what it needs is left out, the others stay"),
            pytest.param({"drift": [7, *WIRE["drift"]]}, FULL, id="an item that is no object is left out"),
            pytest.param({"history": [*WIRE["history"], {**WIRE["history"][0], "cause": "New"}]}, FULL, id="a cause that only a newer operator knows is left out"),
            pytest.param({"conditions": "x"}, FULL.model_copy(update={"conditions": ()}), id="a list that is none is empty"),
        ],
    )  # fmt: skip
    def test_unreadable_parts_are_omitted(self, changes: dict[str, Any], read: Status) -> None:
        assert Status.parse({**WIRE, **changes}) == read

    @given(JSON)
    def test_parse_never_raises(self, raw: object) -> None:
        Status.parse(raw)

    @given(st.sampled_from(sorted(WIRE)), JSON)
    def test_a_field_of_any_content_is_parsed_and_writable(self, field: str, content: object) -> None:
        status = Status.parse({**WIRE, field: content})
        assert Status.parse(status.to_json()) == status

    def test_texts_are_cut_to_their_limits(self) -> None:
        status = Status(endpoint=EndpointStatus(error_message="é" * 2000), conditions=(ready(message="é" * 2000),))
        assert status.endpoint is not None
        assert status.endpoint.error_message == "é" * 1023 + "…"
        assert status.conditions[0].message == "é" * 1023 + "…"
        assert Status.parse(status.to_json()) == status

    def test_a_lone_surrogate_is_replaced(self) -> None:
        assert EndpointStatus(id="a", comment="a\ud83db").to_json() == {"id": "a", "comment": "a\ufffdb"}

    def test_times_are_in_utc_to_the_second(self) -> None:
        local = datetime(2026, 11, 25, 14, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=2)))
        status = Status(last_applied_time=local, conditions=(ready(last_transition_time=local),))
        assert status.last_applied_time == NOON
        assert status.to_json()["lastAppliedTime"] == "2026-11-25T12:00:00Z"
        assert status.to_json()["conditions"][0]["lastTransitionTime"] == "2026-11-25T12:00:00Z"

    def test_a_time_without_a_zone_is_rejected(self) -> None:
        with pytest.raises(ValidationError, match="timezone"):
            Status(last_applied_time=NOON.replace(tzinfo=None))
