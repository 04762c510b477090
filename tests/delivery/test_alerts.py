"""The chart's alerts and dashboard: Prometheus can read them, and each alert fires when it should and only then."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

import atlas_endpoints
from delivery.helm import CHART, Helm, documents
from delivery.promtool import Promtool, provide_promtool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
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
    of("corrections_held"): always(0),
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


@dataclass(frozen=True)
class Case:
    """What Prometheus has seen, one sample a minute from the start of the world.

    Attributes:
        name: What it is, as a sentence.
        firing: The alerts that fire then.
        after: Minutes from the start.
        series: What differs from an operator that is well.
        missing: Whether there is nothing of the operator.
    """

    name: str
    firing: Sequence[str] = ()
    after: int = LONG
    series: Mapping[str, str] = field(default_factory=dict)
    missing: bool = False


CASES = (
    Case("an operator that is well"),
    Case("nothing is heard of the operator for 4 minutes", after=4, missing=True),
    Case("nothing is heard of the operator for 6 minutes", ["AtlasEndpointsDown"], after=6, missing=True),
    Case("nobody leads for a minute", series={of("leader"): f"{long(1)} 0x1"}, after=LONG + 1),
    Case("nobody leads", ["AtlasEndpointsNobodyLeads"], series={of("leader"): always(0)}, after=5),
    Case("two lead", ["AtlasEndpointsSeveralLead"], series={of("leader", "standby"): always(1)}, after=5),
    Case(
        "each of two releases has its leader",
        series={
            of("leader", "other", job="other-metrics"): always(1),
            of("build_info", "other", job="other-metrics", version="1"): always(1),
        },
    ),
    Case("the API is gone", ["AtlasEndpointsAPIGone"], series={call("200"): always(9), call("410"): EACH_TENTH_MINUTE}),
    Case("the API was gone two hours ago", series={call("410"): f"0 1 2 3 4x{END}"}, after=LONG),
    Case("every tenth call of Atlas has no answer", series={call("200"): f"0+10x{END}", call(""): EACH_MINUTE}),
    Case(
        "no call of Atlas has an answer",
        ["AtlasEndpointsAtlasUnavailable"],
        series={call("200"): always(9), call(""): EACH_TENTH_MINUTE},
    ),
    Case(
        "Atlas answers with errors of its own",
        ["AtlasEndpointsAtlasUnavailable"],
        series={call("200"): always(9), call("500"): EACH_TENTH_MINUTE, call("503"): EACH_TENTH_MINUTE},
    ),
    Case(
        "the end of the API is announced for in four months",
        series={of("atlas_api_sunset_timestamp_seconds"): always(120 * DAY)},
    ),
    Case(
        "the end of the API is announced for in two months",
        ["AtlasEndpointsAPISunset"],
        series={of("atlas_api_sunset_timestamp_seconds"): always(60 * DAY)},
    ),
    Case(
        "the end of the API that was announced is past",
        ["AtlasEndpointsAPISunset"],
        series={of("atlas_api_sunset_timestamp_seconds"): always(60)},
    ),
    Case(
        "credentials of some resources do not work",
        ["AtlasEndpointsCredentialsRefused"],
        series={of("resources_by_credentials", scope="namespace", status="False"): always(3)},
    ),
    Case(
        "credentials do not work for five minutes",
        series={of("resources_by_credentials", scope="namespace", status="False"): f"{long(0)} 3x5"},
        after=LONG + 5,
    ),
    Case(
        "nobody knows yet whether credentials work",
        series={of("resources_by_credentials", scope="", status="Unknown"): always(3)},
    ),
    Case(
        "somebody has to help a resource",
        ["AtlasEndpointsResourcesStalled"],
        series={
            one("Ready", "False", "EndpointFailed", "stalled"): always(1),
            one("Stalled", "True", "EndpointFailed", "stalled"): always(1),
            of("resources_by_condition", **condition("Stalled", "True", "EndpointFailed")): always(1),
        },
    ),
    Case(
        "somebody had to help a resource for a while",
        series={of("resources_by_condition", **condition("Stalled", "True", "EndpointFailed")): f"{long(0)} 1x20"},
        after=LONG + 20,
    ),
    Case(
        "resources only show what differs, as they were told",
        series={
            of("resources_by_condition", **condition("Stalled", "True", "Drifted")): always(1),
        },
    ),
    Case(
        "a resource does not become ready",
        ["AtlasEndpointsResourceNotReady"],
        series={one("Ready", "False", "Initiating", "slow"): always(1)},
    ),
    Case(
        "a resource does not become ready for one reason after the other",
        ["AtlasEndpointsResourceNotReady"],
        series={
            one("Ready", "False", "Initiating", "slow"): f"1x100 _x{END}",
            one("Ready", "Unknown", "Pending", "slow"): f"_x100 1x{END}",
        },
    ),
    Case(
        "a resource does not become ready, and one of another kind with its name waits for a person",
        ["AtlasEndpointsResourceNotReady"],
        series={
            one("Ready", "False", "Initiating", "slow"): always(1),
            one("Stalled", "True", "EndpointFailed", "slow", SERVERLESS): always(1),
        },
    ),
    Case(
        "a resource takes an hour",
        series={one("Ready", "False", "Initiating", "slow"): f"_x{LONG} 1x60"},
        after=LONG + 60,
    ),
    Case("a resource is suspended", series={one("Ready", "False", "Suspended", "suspended"): always(1)}),
    Case(
        "endpoints drift every half hour",
        ["AtlasEndpointsDriftRepeats"],
        series={of("drift_found_total", field="comment"): drifts(30)},
        after=END,
    ),
    Case("an endpoint has drifted twice", series={of("drift_found_total", field="comment"): f"0x60 1x100 2x{END}"}),
    Case("a watch hangs", ["AtlasEndpointsWatchOld"], series={of("watch_age_seconds", "standby"): f"0+60x{END}"}),
    Case(
        "a role is missing in one namespace",
        ["AtlasEndpointsNamespaceForbidden"],
        series={
            of("namespace_forbidden", kind=SERVERLESS, resource_namespace="shop"): always(0),
            of("namespace_forbidden", kind=SERVERLESS, resource_namespace="pay"): always(1),
        },
    ),
    Case("a watch takes a while to begin anew", series={of("watch_age_seconds"): f"{long(59)} 120 180 240 59x9"}),
    Case(
        "most calls to the API server have no answer",
        ["AtlasEndpointsKubernetesUnavailable"],
        series={kube(""): EACH_MINUTE},
    ),
    Case(
        "the API server has errors of its own",
        ["AtlasEndpointsKubernetesUnavailable"],
        series={kube("500"): EACH_MINUTE, kube("503"): EACH_MINUTE},
    ),
    Case("some calls to the API server conflict", series={kube("409"): EACH_MINUTE}),
    Case("Atlas slows us down for half an hour", series={call("429"): f"{long(0)} 0+1x30"}, after=LONG + 30),
    Case("Atlas slows us down for hours", ["AtlasEndpointsRateLimited"], series={call("429"): EACH_TENTH_MINUTE}),
    Case(
        "most passes have to be tried again",
        ["AtlasEndpointsReconcileFailing"],
        series={of("reconcile_total", result="retry"): EACH_MINUTE},
    ),
    Case(
        "most passes over the resources of one kind have to be tried again, and the other one has more that are well",
        ["AtlasEndpointsReconcileFailing"],
        series={
            of("reconcile_total", result="retry", kind=DEDICATED): EACH_MINUTE,
            of("reconcile_total", result="done", kind=SERVERLESS): f"0+10x{END}",
        },
    ),
    Case("a burst of edits", series={of("queue_depth"): f"{long(0)} 900 600 300 0"}, after=LONG + 3),
    Case("the queue never empties", ["AtlasEndpointsBehind"], series={of("queue_depth"): always(3)}),
    Case("the queue of a standby never empties", series={of("queue_depth", "standby"): always(900)}),
    Case(
        "corrections are held back",
        ["AtlasEndpointsCorrectionsHeld"],
        series={of("corrections_held"): f"{long(0)} 40x3"},
        after=LONG + 3,
    ),
    Case("a standby believes that corrections are held back", series={of("corrections_held", "standby"): always(40)}),
    Case("writes are off for half an hour", series={of("writes_enabled"): f"{long(1)} 0x30"}, after=LONG + 30),
    Case("writes are off for hours", ["AtlasEndpointsWritesOff"], series={of("writes_enabled"): always(0)}),
)


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


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_fires_when(case: Case, promtool: Promtool, groups: list[dict[str, Any]]) -> None:
    series = {} if case.missing else {**WELL, **case.series}
    promtool.expect(groups, firing=dict.fromkeys(case.firing, 1), series=series, minutes=case.after)


def test_every_alert_has_its_case(groups: list[dict[str, Any]]) -> None:
    assert {name for case in CASES for name in case.firing} == {
        rule["alert"] for each in groups for rule in each["rules"]
    }


def test_runbooks_are_those_of_the_version_in_the_chart_s_home(groups: list[dict[str, Any]]) -> None:
    addresses = {rule["annotations"]["runbook_url"].partition("#")[0] for each in groups for rule in each["rules"]}
    home = f"https://example.com/atlas-endpoints/blob/v{atlas_endpoints.__version__}"
    assert addresses == {f"{home}/docs/operations.md"}


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
