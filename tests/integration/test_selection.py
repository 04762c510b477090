"""What an operator serves, and what it leaves alone: by the labels of resources, which come and go."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT, COMMAND
from support.audit import deeds, writes
from support.concurrent_cases import NAME, Env, Setup
from support.operator_process import OperatorProcess
from support.rbac import grant, service_account
from support.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from control_plane import ControlPlane
    from control_plane.process import ServerGroup
    from support.atlas import Atlas, Place
    from support.fixtures import MakeEnv, MakeNamespace, MakeResources, RunOperator

LABEL = "selected"
USER = f"system:serviceaccount:default:operator-{LABEL}"
BESIDE = {"leases", "events"}
"""What an operator writes beside its resources; the names of Events begin with theirs."""


@pytest.fixture(scope="module")
def operator(atlas: Atlas, start_operator: RunOperator) -> OperatorProcess:
    return start_operator(label=LABEL, atlas=atlas, sync_interval="2s")


@pytest.fixture
def env(make_env: MakeEnv, atlas: Atlas, operator: OperatorProcess, place: Place) -> Env:
    """A namespace whose resources have the label that the operator serves, at first."""
    return make_env(Setup(atlas, operator), place, LABEL)


def label(env: Env, value: str) -> None:
    env.resources.patch(NAME, {"metadata": {"labels": {"served-by": value}}})


def written(env: Env) -> list[Any]:
    return [each for each in writes(env.control_plane, USER) if each.namespace == env.resources.namespace]


def test_a_resource_that_loses_the_label_with_work_to_do_is_left_as_it_is_until_it_has_it_again(env: Env) -> None:
    env.create(connected=True, comment="one")
    env.becomes_ready()
    env.atlas.fail(env.place, method="PATCH", status=503)
    env.edit(comment="two")
    wait_until(lambda: bool(env.calls("PATCH")), "the change to fail")

    label(env, "elsewhere")
    time.sleep(1)  # what was under way ends
    before = (env.resources.get(NAME)["status"], len(env.calls()), len(written(env)))
    env.atlas.heal(env.place)
    env.edit(comment="three")
    time.sleep(6)  # three intervals, and longer than the backoff had grown

    assert (env.resources.get(NAME)["status"], len(env.calls()), len(written(env))) == before
    assert env.atlas.endpoint(env.place)["comment"] == "one"

    label(env, LABEL)
    env.becomes_ready()
    assert env.atlas.endpoint(env.place)["comment"] == "three"
    assert {each["comment"] for each in env.patches()} == {"two", "three"}


def test_a_resource_that_loses_the_label_during_a_reconcile_has_nothing_sent_and_nothing_written(
    env: Env,
) -> None:
    env.atlas.connect(env.place, "one")
    env.atlas.fail(env.place, method="GET", delay=2, times=1)
    env.create(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="two")
    wait_until(lambda: bool(env.calls("GET")), "the look")

    label(env, "elsewhere")
    time.sleep(4)

    assert env.calls("PATCH") == []
    assert env.resources.get(NAME)["status"] == {"observedGeneration": -1}
    assert written(env) == []


def test_a_resource_that_never_had_the_label_costs_no_call_and_no_read_of_its_secret(
    env: Env, make_resources: MakeResources, places: Iterator[Place]
) -> None:
    stranger, theirs = make_resources("elsewhere"), next(places)
    stranger.create(NAME, theirs.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    env.create(connected=True)

    env.becomes_ready()

    assert env.atlas.requests(theirs) == []
    assert stranger.get(NAME)["status"] == {"observedGeneration": -1}
    assert [each for each in deeds(env.control_plane, USER) if each.namespace == stranger.namespace] == []


def may_lead(namespace: str, account: str, lease: str) -> str:
    """Give manifests of an account that may use a Lease of another name, as the shipped Role says."""
    *others, role, binding = yaml.safe_load_all(service_account(namespace, account))
    role["metadata"]["name"] = binding["roleRef"]["name"] = f"{account}-leader-election"
    role["rules"][0]["resourceNames"] = [lease]
    return yaml.safe_dump_all([*others, role, binding])


@pytest.mark.usefixtures("crd")
def test_two_operators_with_disjoint_selectors_serve_each_its_own_in_one_namespace(
    *,
    control_plane: ControlPlane,
    atlas: Atlas,
    places: Iterator[Place],
    group: ServerGroup,
    make_namespace: MakeNamespace,
    tmp_path: Path,
) -> None:
    home, shared = make_namespace(), make_namespace()
    where = {team: next(places) for team in ("blue", "green")}
    teams = {team: Resources(control_plane, shared, {"served-by": "two", "team": team}) for team in where}
    operators = []
    for team, resources in teams.items():
        resources.secret(team, atlas.put_account(where[team]))
        control_plane.kubectl("apply", "--filename=-", stdin=may_lead(home, team, f"lease-{team}"))
        operator = OperatorProcess.start(
            group,
            tmp_path,
            kubeconfig=control_plane.kubeconfig_for(home, team),
            atlas_url=atlas.url,
            name=team,
            label_selector=f"served-by=two,team={team}",
            leader_elect="true",
            lease_name=f"lease-{team}",
            lease_namespace=home,
            sync_interval="2s",
        )
        operators.append(operator)
    for team, resources in teams.items():
        wanted = {"cloudProviderEndpointId": CLOUD_ENDPOINT, "credentialsSecretRef": {"name": team}}
        resources.create(team, where[team].spec(**wanted, comment="one"))
    for team, resources in teams.items():
        resources.wait_ready(team)
        resources.edit(team, comment="two")
        resources.wait_ready(team)

    def names_written(team: str) -> set[str]:
        user = f"system:serviceaccount:{home}:{team}"
        return {each.name for each in writes(control_plane, user) if each.resource not in BESIDE}

    for team in teams:
        done = deeds(control_plane, f"system:serviceaccount:{home}:{team}")
        assert names_written(team) == {team}
        assert {each.name for each in done if each.resource == "secrets"} == {team}
        assert {each.name for each in done if each.resource == "leases" and each.name} == {f"lease-{team}"}
        assert [each for each in done if each.code == 403] == []
        clients = {each["credentials"] for each in atlas.requests(where[team])}
        assert clients == {f"mdb_sa_id_{where[team].project}"}
        assert [each["comment"] for each in atlas.patches(where[team])] == ["one", "two"]

    # Handed from one to the other by its label alone.
    teams["blue"].patch("blue", {"metadata": {"labels": {"team": "green"}}})
    teams["blue"].edit("blue", comment="three")
    teams["blue"].wait_ready("blue")
    assert names_written("green") == {"blue", "green"}
    for each in operators:
        assert each.stop() == 0
    for resources in teams.values():
        resources.close()


@pytest.mark.usefixtures("crd")
def test_an_invalid_selector_ends_the_operator_with_the_api_server_s_message(
    control_plane: ControlPlane, atlas: Atlas, tmp_path: Path
) -> None:
    selector = "team in (shop"
    grant(control_plane, "default", "operator-misled")
    kubeconfig = control_plane.kubeconfig_for("default", "operator-misled")
    flags = [f"--label-selector={selector}", f"--atlas-url={atlas.url}", "--http-address=127.0.0.1:0"]

    done = subprocess.run(
        [*COMMAND, "run", "--log-format=text", "--leader-elect=false", *flags],
        env={**os.environ, "KUBECONFIG": str(kubeconfig)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    said = ("LABEL_SELECTOR", repr(selector), "400", "unable to parse requirement")
    assert [each for each in said if each not in last] == []
    assert "Traceback" not in done.stderr
