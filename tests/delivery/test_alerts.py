"""The chart's alerts and dashboard: Prometheus can read them, and each alert fires when it should and only then."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from delivery.helm import CHART, Helm, documents
from delivery.promtool import Promtool, provide_promtool

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


LONG = 180
"""Minutes after which everything has fired that will."""
END = LONG + 60
"""How many minutes the world lasts."""


SERVERLESS, DEDICATED = "ServerlessPrivateEndpoint", "DedicatedPrivateEndpoint"


def of(metric: str, pod: str = "leader", **labels: str) -> str:
    """Name a series of a Pod as Prometheus scrapes it."""
    labels = {"namespace": "atlas-endpoints", "job": "atlas-endpoints-metrics", "pod": pod, **labels}
    selector = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return f"atlas_endpoints_{metric}{{{selector}}}"


def always(value: int) -> str:
    return f"{value}x{END}"


def long(value: int) -> str:
    return f"{value}x{LONG}"


def call(status: str) -> str:
    return of("atlas_requests_total", operation="list", method="GET", error_code="", status=status)


def kube(status: str) -> str:
    return of("kubernetes_requests_total", verb="LIST", resource="secrets", status=status)


def condition(type_: str, status: str, reason: str) -> dict[str, str]:
    return {"type": type_, "status": status, "reason": reason}


def one(type_: str, status: str, reason: str, name: str = "db", kind: str = DEDICATED) -> str:
    named = {"resource_namespace": "shop", "resource_name": name, "kind": kind}
    return of("resource_condition", **named, **condition(type_, status, reason))


def drifts(minutes: int) -> str:
    """Drift once in so many minutes."""
    return f"0x{minutes} " + " ".join(f"{count}x{minutes - 1}" for count in range(1, END // minutes))


DAY = 86400
EACH_MINUTE = f"0+1x{END}"
EACH_TENTH_MINUTE = "_x4 " + " ".join(f"{count}x9" for count in range(END // 10))
WELL = {
    of("build_info", version="1"): always(1),
    of("build_info", "standby", version="1"): always(1),
    of("leader"): always(1),
    of("leader", "standby"): always(0),
    of("queue_depth"): always(0),
    of("writes_enabled"): always(1),
    of("reconcile_total", result="done"): EACH_TENTH_MINUTE,
    call("200"): EACH_TENTH_MINUTE,
    kube("200"): EACH_TENTH_MINUTE,
    of("watch_age_seconds"): always(59),
    of("watch_age_seconds", "standby"): always(59),
    of("resources_by_condition", **condition("Ready", "True", "Available")): always(9),
    of("resources_by_credentials", scope="resource", status="True"): always(9),
    of("drift_found_total", field="comment"): always(0),
    of("atlas_api_sunset_timestamp_seconds"): always(400 * DAY),
    one("Ready", "True", "Available"): always(1),
}
SUNSET = of("atlas_api_sunset_timestamp_seconds")
REFUSED = of("resources_by_credentials", scope="namespace", status="False")
UNWRITTEN = one("OutputsWritten", "False", "NotFound")
SLOW = one("Ready", "False", "Initiating", "slow")


STALLED = condition("Stalled", "True", "EndpointFailed")
HELD = of("resources_by_condition", **condition("Ready", "False", "CorrectionHeld"))
UNANSWERED = {call("200"): always(9), call(""): EACH_TENTH_MINUTE}
ERRORS = {call("200"): always(9), call("500"): EACH_TENTH_MINUTE, call("503"): EACH_TENTH_MINUTE}
OTHER = {of("leader", "other", job="other"): always(1), of("build_info", "other", job="other", version="1"): always(1)}
CASES: dict[str, tuple[str, int, Mapping[str, str] | None]] = {
    "an operator that is well": ("", LONG, {}),
    "a role is missing in one namespace": (
        "NamespaceForbidden",
        LONG,
        {
            of("namespace_forbidden", kind=SERVERLESS, resource_namespace="shop"): always(0),
            of("namespace_forbidden", kind=SERVERLESS, resource_namespace="pay"): always(1),
        },
    ),
    "nothing is heard of the operator for 4 minutes": ("", 4, None),
    "nothing is heard of the operator for 6 minutes": ("Down", 6, None),
    "nobody leads for a minute": ("", LONG + 1, {of("leader"): f"{long(1)} 0x1"}),
    "nobody leads": ("NobodyLeads", 5, {of("leader"): always(0)}),
    "two lead": ("SeveralLead", 5, {of("leader", "standby"): always(1)}),
    "each of two releases has its leader": ("", LONG, OTHER),
    "the API is gone": ("APIGone", LONG, {call("200"): always(9), call("410"): EACH_TENTH_MINUTE}),
    "the API was gone two hours ago": ("", LONG, {call("410"): f"0 1 2 3 4x{END}"}),
    "every tenth call of Atlas has no answer": ("", LONG, {call("200"): f"0+10x{END}", call(""): EACH_MINUTE}),
    "no call of Atlas has an answer": ("AtlasUnavailable", LONG, UNANSWERED),
    "Atlas answers with errors of its own": ("AtlasUnavailable", LONG, ERRORS),
    "the end of the API is announced for in four months": ("", LONG, {SUNSET: always(120 * DAY)}),
    "the end of the API is announced for in two months": ("APISunset", LONG, {SUNSET: always(60 * DAY)}),
    "the end of the API that was announced is past": ("APISunset", LONG, {SUNSET: always(60)}),
    "credentials of some resources do not work": ("CredentialsRefused", LONG, {REFUSED: always(3)}),
    "credentials do not work for five minutes": ("", LONG + 5, {REFUSED: f"{long(0)} 3x5"}),
    "nobody knows yet whether credentials work": (
        "",
        LONG,
        {of("resources_by_credentials", scope="", status="Unknown"): always(3)},
    ),
    "somebody has to help a resource": (
        "ResourcesStalled",
        LONG,
        {
            one("Ready", "False", "EndpointFailed", "stalled"): always(1),
            one("Stalled", "True", "EndpointFailed", "stalled"): always(1),
            of("resources_by_condition", **STALLED): always(1),
        },
    ),
    "somebody had to help a resource for a while": (
        "",
        LONG + 20,
        {of("resources_by_condition", **STALLED): f"{long(0)} 1x20"},
    ),
    "resources only show what differs, as they were told": (
        "",
        LONG,
        {of("resources_by_condition", **condition("Stalled", "True", "Drifted")): always(1)},
    ),
    "a resource does not become ready": ("ResourceNotReady", LONG, {SLOW: always(1)}),
    "a resource does not become ready for one reason after the other": (
        "ResourceNotReady",
        LONG,
        {SLOW: f"1x100 _x{END}", one("Ready", "Unknown", "Pending", "slow"): f"_x100 1x{END}"},
    ),
    "a resource does not become ready, and one of another kind with its name waits for a person": (
        "ResourceNotReady",
        LONG,
        {SLOW: always(1), one("Stalled", "True", "EndpointFailed", "slow", SERVERLESS): always(1)},
    ),
    "a resource takes an hour": ("", LONG + 60, {SLOW: f"_x{LONG} 1x60"}),
    "a resource is suspended": ("", LONG, {one("Ready", "False", "Suspended", "suspended"): always(1)}),
    "a connection string is not written": ("OutputsNotWritten", LONG, {UNWRITTEN: always(1)}),
    "a connection string takes half an hour": ("", LONG + 30, {UNWRITTEN: f"_x{LONG} 1x30"}),
    "a resource that is not ready has no connection string yet": (
        "",
        100,
        {SLOW: always(1), one("OutputsWritten", "Unknown", "Pending", "slow"): always(1)},
    ),
    "endpoints drift every half hour": ("DriftRepeats", END, {of("drift_found_total", field="comment"): drifts(30)}),
    "an endpoint has drifted twice": ("", LONG, {of("drift_found_total", field="comment"): f"0x60 1x100 2x{END}"}),
    "a watch hangs": ("WatchOld", LONG, {of("watch_age_seconds", "standby"): f"0+60x{END}"}),
    "a watch takes a while to begin anew": ("", LONG, {of("watch_age_seconds"): f"{long(59)} 120 180 240 59x9"}),
    "most calls to the API server have no answer": ("KubernetesUnavailable", LONG, {kube(""): EACH_MINUTE}),
    "the API server has errors of its own": (
        "KubernetesUnavailable",
        LONG,
        {kube("500"): EACH_MINUTE, kube("503"): EACH_MINUTE},
    ),
    "some calls to the API server conflict": ("", LONG, {kube("409"): EACH_MINUTE}),
    "Atlas slows us down for half an hour": ("", LONG + 30, {call("429"): f"{long(0)} 0+1x30"}),
    "Atlas slows us down for hours": ("RateLimited", LONG, {call("429"): EACH_TENTH_MINUTE}),
    "most passes have to be tried again": (
        "ReconcileFailing",
        LONG,
        {of("reconcile_total", result="retry"): EACH_MINUTE},
    ),
    "most passes over the resources of one kind have to be tried again, and the other one has more that are well": (
        "ReconcileFailing",
        LONG,
        {
            of("reconcile_total", result="retry", kind=DEDICATED): EACH_MINUTE,
            of("reconcile_total", result="done", kind=SERVERLESS): f"0+10x{END}",
        },
    ),
    "a burst of edits": ("", LONG + 3, {of("queue_depth"): f"{long(0)} 900 600 300 0"}),
    "the queue never empties": ("Behind", LONG, {of("queue_depth"): always(3)}),
    "the queue of a standby never empties": ("", LONG, {of("queue_depth", "standby"): always(900)}),
    "corrections are held back": ("CorrectionsHeld", LONG + 3, {HELD: f"{long(0)} 40x3"}),
    "writes are off for half an hour": ("", LONG + 30, {of("writes_enabled"): f"{long(1)} 0x30"}),
    "writes are off for hours": ("WritesOff", LONG, {of("writes_enabled"): always(0)}),
}
"""The alert that fires, if one does; minutes from the start of the world; what differs from an operator that is well.

None: there is nothing of the operator. Prometheus takes one sample a minute.
"""


@pytest.fixture(scope="module")
def groups(one_helm: Helm) -> list[dict[str, Any]]:
    """The alerts as the chart brings them into a cluster."""
    objects = documents(one_helm.template("--set=metrics.prometheusRule.enabled=true"))
    (found,) = [each["spec"]["groups"] for each in objects if each["kind"] == "PrometheusRule"]
    return list(found)


@pytest.fixture
def promtool(tmp_path: Path) -> Promtool:
    return Promtool(provide_promtool(), tmp_path)


def test_prometheus_can_read_them(promtool: Promtool, groups: list[dict[str, Any]]) -> None:
    promtool.check(groups)


def test_prometheus_can_read_the_queries_of_the_dashboard(helm4: Helm, promtool: Promtool) -> None:
    objects = documents(helm4.template("--set=metrics.grafanaDashboard.enabled=true"))
    (text,) = [each["data"]["atlas-endpoints.json"] for each in objects if each["kind"] == "ConfigMap"]
    queries = [target["expr"] for panel in json.loads(text)["panels"] for target in panel.get("targets", ())]
    # Grafana puts these in; as names of rules, any will do.
    filled = [re.sub(r"\$__rate_interval", "5m", re.sub(r'"\$\w+"', '".*"', query)) for query in queries]
    assert not [query for query in filled if "$" in query]
    promtool.check([{"name": "dashboard", "rules": [{"record": f"q:{n}", "expr": q} for n, q in enumerate(filled)]}])


@pytest.mark.parametrize("case", CASES)
def test_what_fires_when(case: str, promtool: Promtool, groups: list[dict[str, Any]]) -> None:
    alert, minutes, differs = CASES[case]
    series = {} if differs is None else {**WELL, **differs}
    promtool.expect(groups, firing=f"AtlasEndpoints{alert}" if alert else None, series=series, minutes=minutes)


def test_every_alert_has_its_case(groups: list[dict[str, Any]]) -> None:
    alerts = {rule["alert"] for each in groups for rule in each["rules"]}
    assert {f"AtlasEndpoints{alert}" for alert, *_ in CASES.values() if alert} == alerts


def test_runbooks_labels_and_what_is_left_out_are_those_of_the_values(helm4: Helm) -> None:
    objects = documents(helm4.template(values=[CHART / "ci" / "observed-values.yaml"]))
    (rule,) = [each for each in objects if each["kind"] == "PrometheusRule"]
    rules = {each["alert"]: each for group in rule["spec"]["groups"] for each in group["rules"]}
    assert "AtlasEndpointsRateLimited" not in rules
    down = rules["AtlasEndpointsDown"]
    assert down["labels"] == {"severity": "critical", "team": "platform"}
    runbook = "https://runbooks.example.com/atlas-endpoints/operations.md#atlasendpointsdown"
    assert down["annotations"]["runbook_url"] == runbook
    assert rule["metadata"]["labels"]["release"] == "prometheus"


def test_who_leaves_all_alerts_out_gets_no_rule(helm: Helm, groups: list[dict[str, Any]]) -> None:
    """An object with an empty list would do nothing, and one with `null` in its place is refused."""
    names = ",".join(rule["alert"] for group in groups for rule in group["rules"])
    rule = f"--set=metrics.prometheusRule.enabled=true,metrics.prometheusRule.disabled={{{names}}}"
    assert "PrometheusRule" not in {each["kind"] for each in documents(helm.template(rule))}
