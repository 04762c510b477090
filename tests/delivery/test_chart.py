"""The chart as Helm renders it, in both majors, with each of the values files that it ships."""

from __future__ import annotations

import copy
import functools
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from pydantic import ValidationError

from atlas_endpoints.settings import OperatorSettings
from delivery.helm import CHART, Helm, HelmError, documents
from delivery.installing import says
from delivery.values import Value, values_of
from support.crd import crds
from support.running import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path


FILES = sorted((CHART / "ci").glob("*-values.yaml"))
REFUSED = sorted((ROOT / "tests" / "delivery" / "testdata" / "refused").glob("*.yaml"))
VALUES = values_of((CHART / "values.yaml").read_text(encoding="utf-8"))
each_values = pytest.mark.parametrize(
    "values", [pytest.param((), id="defaults"), *(pytest.param((path,), id=path.stem) for path in FILES)]
)


@pytest.mark.gate
@each_values
def test_lint_has_nothing_to_say(helm: Helm, values: tuple[Path, ...]) -> None:
    helm.lint(values=values)


@each_values
def test_both_majors_render_the_same_objects_each_of_which_says_what_it_belongs_to_and_has_no_name_twice(
    helm3: Helm, helm4: Helm, values: tuple[Path, ...]
) -> None:
    """Client-side apply lets duplicates pass, so a release of Helm 3 would fail only when Helm 4 upgrades it."""
    text = helm4.template(values=values)
    objects = documents(text)
    assert documents(helm3.template(values=values)) == objects
    assert helm4.template(values=values) == text
    for entries in lists_in(objects):
        for key in ("name", "mountPath", "containerPort"):
            keys = [each[key] for each in entries if isinstance(each, dict) and key in each]
            assert len(keys) == len(set(keys)), keys
    labels = [each["metadata"]["labels"] for each in objects if each["metadata"].get("labels")]
    assert {each["app.kubernetes.io/instance"] for each in labels} == {"atlas-endpoints"}
    assert {each["app.kubernetes.io/managed-by"] for each in labels} == {"Helm"}


def lists_in(node: Any) -> Iterator[list[Any]]:
    if isinstance(node, list):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from lists_in(child)


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_values_are_refused_that_are_misspelt_or_contradict_each_other(helm: Helm, path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    message = first.removeprefix("# ")
    assert message not in {"", first}, "the first line has to be a comment with the message"
    with pytest.raises(HelmError) as refusal:
        helm.template(values=[path])
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("replicaCount=2", says("additional properties", "not allowed")),
        ("image.tag=1", says("got number, want string")),
        ("image.repository=registry.example.com/app:1.0.0", says("/image/repository", "does not match pattern")),
    ],
)
def test_the_installation_page_explains_a_value_that_is_refused(helm: Helm, setting: str, message: str) -> None:
    with pytest.raises(HelmError, match=message):
        helm.template("--set", setting)


def test_all_contradictions_are_told_at_once(helm: Helm) -> None:
    with pytest.raises(HelmError) as refusal:
        helm.template("--set=replicas=2,leaderElection.enabled=false,credentials.namespace=platform")
    assert str(refusal.value).count("\n- ") == len(["replicas", "credentials"])


WORDS: dict[str, str] = {
    "atlasUrl": """
        https://cloud.mongodb.com https://cloud.mongodb.com:443/ https://gateway.example/atlas https://[::1]:8443
        http://127.0.0.1:8090 http://127.9.9.9 http://[::1] http://localhost:80 http://a.localhost https://host:65535
        https://host:99999 https://host:65536 https://[::1 https://host: https:// http://127.1 http://127.0.0.1.example
        http://localhost.example http://10.0.0.1 ftp://host https://user:password@host https://host?a=b https://host#a
        https://host/api/atlas/v2 host""",
    "syncInterval": "1s 90s 1h30m 24h 1.5m 0 0s 10 1d 48h -1m 500ms 1500ms",
    "stallGrace": "0 0s 90s 2m 1.5m 250ms 48h 1d -5s 2 m 1h-5m",
}
"""What may be written as a setting; the chart is to refuse what the operator would refuse when it starts, and no more."""


@pytest.mark.parametrize(
    ("setting", "word"), [(setting, word) for setting, words in WORDS.items() for word in [*words.split(), "1m "]]
)
def test_the_chart_takes_the_settings_that_the_operator_takes(helm4: Helm, setting: str, word: str) -> None:
    flag = f"--set-json=settings.{setting}={json.dumps(word)}"
    try:
        OperatorSettings.model_validate({re.sub(r"(?=[A-Z])", "_", setting).lower(): word})
    except ValidationError:
        with pytest.raises(HelmError, match=rf"settings\.{setting} is "):
            helm4.template(flag)
    else:
        helm4.template(flag)


@pytest.mark.parametrize(
    "selector",
    ["team==shop,!legacy", "example.com/team in (shop, billing), tier notin (dev)", "a.b/c_d.e!=", " team = shop "],
)
def test_the_chart_takes_label_selectors_as_kubectl_does(helm4: Helm, selector: str) -> None:
    helm4.template(f"--set-json=settings.labelSelector={json.dumps(selector)}")


@pytest.mark.parametrize("release", ["my.rel", f"{'a' * 44}.b", "atlas-endpoints.v1"])
@pytest.mark.parametrize("override", ["", f",fullnameOverride={'very-long-' * 6}name,nameOverride={'long-' * 12}name"])
def test_names_are_dns_labels_whatever_a_release_is_called(helm: Helm, release: str, override: str) -> None:
    objects = documents(helm.template(f"--set=crds.install=false{override}", release=release))
    names = [each["metadata"]["name"] for each in objects]
    names += [each["metadata"]["labels"]["app.kubernetes.io/name"] for each in objects]
    assert names
    assert [name for name in names if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name)] == []


def test_as_part_of_another_chart_it_takes_what_helm_reconciles_to_parts(helm: Helm, tmp_path: Path) -> None:
    (tmp_path / "parent" / "charts").mkdir(parents=True)
    (tmp_path / "parent" / "charts" / "atlas-endpoints").symlink_to(CHART)
    dependency = {"name": "atlas-endpoints", "version": "0.1.0", "condition": "atlas-endpoints.enabled"}
    chart = {"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": [dependency]}
    values = {"global": {"registry": "registry.example.com"}, "atlas-endpoints": {"enabled": True, "replicas": 2}}
    for name, content in {"Chart": chart, "values": values}.items():
        (tmp_path / "parent" / f"{name}.yaml").write_text(yaml.safe_dump(content))
    objects = documents(helm.template(chart=tmp_path / "parent"))
    (deployment,) = [each for each in objects if each["kind"] == "Deployment"]
    assert deployment["spec"]["replicas"] == 2


def leaves() -> list[Any]:
    """Give every value that a values file of the chart sets."""
    return [
        pytest.param(path, value.path, id=f"{path.stem}-{value.name}")
        for path in FILES
        for value in VALUES
        if find(yaml.safe_load(path.read_text(encoding="utf-8")), value.path) is not None
    ]


def find(values: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        if not isinstance(values, dict) or key not in values:
            return None
        values = values[key]
    return values


def without(values: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    left = copy.deepcopy(values)
    del find(left, path[:-1])[path[-1]]
    return left


@pytest.fixture(scope="module")
def rendered(one_helm: Helm) -> Callable[[Path], str]:
    """What a values file leads to, rendered once."""
    return functools.cache(lambda path: one_helm.template(values=[path]))


@pytest.mark.parametrize(("path", "value"), leaves())
def test_a_value_makes_a_difference(
    helm4: Helm, rendered: Callable[[Path], str], tmp_path: Path, path: Path, value: tuple[str, ...]
) -> None:
    """What is rendered, or whether it is, depends on each value that a file sets."""
    less = tmp_path / "less.yaml"
    less.write_text(yaml.safe_dump(without(yaml.safe_load(path.read_text(encoding="utf-8")), value)))
    try:
        assert helm4.template(values=[less]) != rendered(path)
    except HelmError as refusal:
        assert value[-1] in str(refusal)  # noqa: PT017  # it is needed by another


def test_every_value_is_set_in_a_file_that_the_chart_ships() -> None:
    assert {".".join(case.values[1]) for case in leaves()} == {value.name for value in VALUES}


ALL_WHEN_EMPTY = {"watchNamespaces", "credentials.namespaces", "rbac.secretNames"}
"""A slip of the pen must not widen what the operator sees, so that null is refused there, in words of its own."""


def may_be_null(value: Value) -> bool:
    return value.value in ("", None) or isinstance(value.value, (dict, list)) or value.name == "proxy.noProxy"


def null(path: Path, names: Iterable[tuple[str, ...]]) -> Path:
    """Write a values file that takes values away."""
    values: dict[str, Any] = {}
    for *sections, name in names:
        functools.reduce(lambda inner, key: inner.setdefault(key, {}), sections, values)[name] = None
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.mark.parametrize("flags", [(), ("--set=openshift.enabled=true,leaderElection.enabled=false",)])
def test_null_takes_away_what_has_no_content_by_default_or_several_keys(
    helm: Helm, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    empty = [value.path for value in VALUES if may_be_null(value) and value.name not in ALL_WHEN_EMPTY]
    metrics = ",".join(
        f"metrics.{kind}.enabled=true" for kind in ("prometheusRule", "serviceMonitor", "grafanaDashboard")
    )
    given = f"--set=networkPolicy.enabled=true,podDisruptionBudget.enabled=true,{metrics}"
    proxy = '--set-json=extraEnv=[{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}]'
    objects = documents(helm.template(given, *flags, proxy, values=[null(tmp_path / "nothing.yaml", empty)]))
    assert {"Deployment", "NetworkPolicy", "PrometheusRule", "ServiceMonitor"} <= {each["kind"] for each in objects}


@pytest.mark.gate
def test_the_crds_are_those_of_the_repository_with_labels_and_without_a_way_to_be_deleted(helm: Helm) -> None:
    objects = [each for each in documents(helm.template()) if each["kind"] == "CustomResourceDefinition"]
    for each in objects:
        assert each["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
        assert each["metadata"].pop("labels")["app.kubernetes.io/name"] == "atlas-endpoints"
    assert {each["spec"]["names"]["kind"]: each for each in objects} == crds()


SUNSET = "MongoDB ended serverless instances on 2026-01-22"
WARNINGS = {
    "image.repository=registry.example.com/atlas-endpoints": "image.repository is the example's",
    "settings.writes=false": "settings.writes is false: nothing is written to Atlas",
    "simulator.enabled=true": "simulator.enabled is true: the operator talks to a simulated Atlas, the Service ",
    "settings.allowPlainHttp=true": "settings.allowPlainHttp is true",
    "rbac.create=false": "rbac.create is false: the operator can do nothing until",
    "crds.install=false,watchNamespaces={shop}": "crds.install is false: the operator waits until somebody installs",
    "crds.keep=false": "crds.keep is false: uninstalling the release deletes the CRDs",
    "podDisruptionBudget.enabled=true,podDisruptionBudget.minAvailable=1": "podDisruptionBudget.minAvailable is as many",
    "replicas=2,podDisruptionBudget.enabled=true,podDisruptionBudget.minAvailable=1": "",
}


@pytest.mark.parametrize("setting", WARNINGS)
def test_helm_install_warns_of_what_may_be_a_slip(helm4: Helm, setting: str) -> None:
    """Helm 3 would need a cluster for that; it is the same text."""
    given = "--set=image.repository=registry.example.com/team/atlas-endpoints"
    text = helm4("install", "endpoints", CHART, "--namespace=team", "--dry-run=client", given, f"--set={setting}")
    *found, last = [line.removeprefix("WARNING: ") for line in text.splitlines() if line.startswith("WARNING: ")]
    assert len(found) == bool(WARNINGS[setting])
    assert all(each.startswith(WARNINGS[setting]) for each in found)
    assert last.startswith(SUNSET)
