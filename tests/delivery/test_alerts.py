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

    from delivery.programs import DeliveryPrograms

LONG = 180
"""Minutes after which everything has fired that will."""
END = LONG + 60
"""How many minutes the world lasts."""


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
    *(
        Case(
            f"one of several pairs of credentials is refused with {status}",
            ["AtlasEndpointsCredentialsRefused"],
            series={call(status): EACH_TENTH_MINUTE},
        )
        for status in ("401", "402", "403")
    ),
    Case("Atlas slows us down for half an hour", series={call("429"): f"{long(0)} 0+1x30"}, after=LONG + 30),
    Case("Atlas slows us down for hours", ["AtlasEndpointsRateLimited"], series={call("429"): EACH_TENTH_MINUTE}),
    Case(
        "most passes have to be tried again",
        ["AtlasEndpointsReconcileFailing"],
        series={of("reconcile_total", result="retry"): EACH_MINUTE},
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
def groups(programs: DeliveryPrograms, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The alerts as the chart brings them into a cluster."""
    helm = Helm(programs.helm4, 4, tmp_path_factory.mktemp("helm"))
    objects = documents(helm.template("--set=metrics.prometheusRule.enabled=true"))
    (found,) = [each["spec"]["groups"] for each in objects if each["kind"] == "PrometheusRule"]
    return list(found)


@pytest.fixture
def promtool(tmp_path: Path) -> Promtool:
    return Promtool(provide_promtool(), tmp_path)


def test_prometheus_can_read_them(promtool: Promtool, groups: list[dict[str, Any]]) -> None:
    promtool.check(groups)


def test_prometheus_would_say_what_it_cannot_read(promtool: Promtool) -> None:
    with pytest.raises(ValueError, match="parse error"):
        promtool.check([{"name": "wrong", "rules": [{"alert": "Wrong", "expr": "sum by ("}]}])


def test_prometheus_can_read_the_queries_of_the_dashboard(helm4: Helm, promtool: Promtool) -> None:
    objects = documents(helm4.template("--set=metrics.grafanaDashboard.enabled=true"))
    (text,) = [each["data"]["atlas-endpoints.json"] for each in objects if each["kind"] == "ConfigMap"]
    queries = [target["expr"] for panel in json.loads(text)["panels"] for target in panel["targets"]]
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
