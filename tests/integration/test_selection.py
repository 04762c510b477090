"""What an operator serves, and what it leaves alone: by the labels of resources, which come and go."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
import yaml

from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT, COMMAND, Atlas, place, seed
from support.audit import deeds, writes
from support.operator_process import OperatorProcess
from support.rbac import grant, service_account
from support.resources import Resources, observed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from control_plane import ControlPlane
    from control_plane.process import ServerGroup
    from support.fixtures import MakeNamespace, RunOperator

HERE, ELSEWHERE = (
    {"metadata": {"labels": {"served-by": "selected"}}},
    {"metadata": {"labels": {"served-by": "elsewhere"}}},
)
USER = "system:serviceaccount:default:operator-selected"
BESIDE = {"leases", "events"}
"""What an operator writes beside its resources; the names of Events begin with theirs."""


@pytest.fixture(scope="module")
def own_atlas(group: ServerGroup, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Atlas]:
    """An Atlas of this module's own, with an endpoint in each of its projects."""
    atlas = Atlas.start(group, tmp_path_factory.mktemp("selection"), seed(10))
    yield atlas
    atlas.close()


@pytest.fixture
def selected(control_plane: ControlPlane, make_namespace: MakeNamespace) -> Iterator[Resources]:
    """A namespace whose resources have the label that the operator serves, at first."""
    resources = Resources(control_plane, make_namespace(), {"served-by": "selected"})
    resources.secret()
    yield resources
    resources.close()


@pytest.fixture(scope="module")
def operator(own_atlas: Atlas, start_operator: RunOperator) -> None:
    """The operator that serves them, and looks often."""
    start_operator(label="selected", atlas=own_atlas, namespace="default", sync_interval="2s")


@pytest.mark.usefixtures("operator")
def test_a_resource_that_loses_the_label_with_work_to_do_is_left_as_it_is_until_it_has_it_again(
    control_plane: ControlPlane, own_atlas: Atlas, selected: Resources
) -> None:
    here = place(0)
    own_atlas.connect(here, "one")
    selected.create("orders", here.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one"))
    selected.wait_ready("orders")
    own_atlas.fail(here, method="PATCH", status=503)
    selected.edit("orders", comment="two")
    wait_until(lambda: bool(own_atlas.requests(here, "PATCH")), "the change to fail")

    selected.patch("orders", ELSEWHERE)
    time.sleep(1)  # what was under way ends
    status = selected.get("orders")["status"]
    called, written = len(own_atlas.requests(here)), len(writes(control_plane, USER))
    own_atlas.heal(here)
    selected.edit("orders", comment="three")
    time.sleep(6)  # three intervals, and longer than the backoff had grown

    assert len(own_atlas.requests(here)) == called
    assert len(writes(control_plane, USER)) == written
    assert selected.get("orders")["status"] == status
    assert own_atlas.endpoint(here)["comment"] == "one"

    selected.patch("orders", HERE)
    selected.wait_ready("orders")
    assert own_atlas.endpoint(here)["comment"] == "three"
    assert {each["comment"] for each in own_atlas.patches(here)} == {"two", "three"}


@pytest.mark.usefixtures("operator")
def test_a_resource_that_loses_the_label_while_the_operator_looks_has_nothing_sent_and_nothing_written(
    control_plane: ControlPlane, own_atlas: Atlas, selected: Resources
) -> None:
    here = place(1)
    own_atlas.connect(here, "one")
    own_atlas.fail(here, method="GET", delay=2, times=1)
    selected.create("orders", here.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="two"))
    wait_until(lambda: bool(own_atlas.requests(here, "GET")), "the look")

    selected.patch("orders", ELSEWHERE)
    time.sleep(4)

    assert own_atlas.requests(here, "PATCH") == []
    assert selected.get("orders")["status"] == {"observedGeneration": -1}
    assert [each for each in writes(control_plane, USER) if each.namespace == selected.namespace] == []


@pytest.mark.usefixtures("operator")
def test_a_resource_that_never_had_the_label_costs_no_call_and_no_read_of_its_secret(
    control_plane: ControlPlane, own_atlas: Atlas, make_namespace: MakeNamespace, selected: Resources
) -> None:
    stranger, neighbour = Resources(control_plane, make_namespace(), {"served-by": "elsewhere"}), place(3)
    stranger.secret()
    stranger.create("orders", place(2).spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    own_atlas.connect(neighbour)
    selected.create("orders", neighbour.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))

    selected.wait_ready("orders")

    assert own_atlas.requests(place(2)) == []
    assert stranger.get("orders")["status"] == {"observedGeneration": -1}
    assert [each for each in deeds(control_plane, USER) if each.namespace == stranger.namespace] == []
    stranger.close()


def may_lead(namespace: str, account: str, lease: str) -> str:
    """Give manifests of an account that may use a Lease of another name, as the shipped Role says."""
    *others, role, binding = yaml.safe_load_all(service_account(namespace, account))
    role["metadata"]["name"] = binding["roleRef"]["name"] = f"{account}-leader-election"
    role["rules"][0]["resourceNames"] = [lease]
    return yaml.safe_dump_all([*others, role, binding])


@pytest.mark.usefixtures("crd")
def test_two_operators_with_disjoint_selectors_serve_each_its_own_in_one_namespace(
    control_plane: ControlPlane,
    own_atlas: Atlas,
    group: ServerGroup,
    make_namespace: MakeNamespace,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    home, shared = make_namespace(), make_namespace()
    places = {"blue": place(4), "green": place(5)}
    teams = {team: Resources(control_plane, shared, {"served-by": "two", "team": team}) for team in places}
    operators = []
    for team, resources in teams.items():
        resources.secret(team, own_atlas.put_account(places[team]))
        control_plane.kubectl("apply", "--filename=-", stdin=may_lead(home, team, f"lease-{team}"))
        operator = OperatorProcess.start(
            group,
            tmp_path_factory.mktemp(team),
            kubeconfig=control_plane.kubeconfig_for(home, team),
            atlas_url=own_atlas.url,
            name=team,
            label_selector=f"served-by=two,team={team}",
            leader_elect="true",
            lease_name=f"lease-{team}",
            lease_namespace=home,
            sync_interval="2s",
        )
        operators.append(operator)

    def spec(team: str, comment: str) -> dict[str, object]:
        return places[team].spec(
            cloudProviderEndpointId=CLOUD_ENDPOINT, comment=comment, credentialsSecretRef={"name": team}
        )

    for team, resources in teams.items():
        resources.create(team, spec(team, "one"))
    for team, resources in teams.items():
        resources.wait_ready(team)
        resources.edit(team, comment="two")
        resources.wait_ready(team)

    for team in teams:
        user = f"system:serviceaccount:{home}:{team}"
        assert {each.name for each in writes(control_plane, user) if each.resource not in BESIDE} == {team}
        assert {each.name for each in deeds(control_plane, user) if each.resource == "secrets"} == {team}
        assert {each.name for each in deeds(control_plane, user) if each.resource == "leases" and each.name} == {
            f"lease-{team}"
        }
        assert [each for each in deeds(control_plane, user) if each.code == 403] == []
        clients = {each["credentials"] for each in own_atlas.requests(places[team])}
        assert clients == {f"mdb_sa_id_{places[team].project}"}
        assert [each["comment"] for each in own_atlas.patches(places[team])] == ["one", "two"]

    # Handed from one to the other by its label alone.
    teams["blue"].patch("blue", {"metadata": {"labels": {"team": "green"}}})
    teams["blue"].edit("blue", comment="three")
    body = teams["blue"].wait_ready("blue")
    assert observed(body)
    user = f"system:serviceaccount:{home}:green"
    assert {each.name for each in writes(control_plane, user) if each.resource not in BESIDE} == {"blue", "green"}
    for each in operators:
        assert each.stop() == 0
    for resources in teams.values():
        resources.close()


@pytest.mark.usefixtures("crd")
@pytest.mark.parametrize(
    ("selector", "words"),
    [
        ("team in (shop", "unable to parse requirement"),
        ("team=shop,,", "found ',', expected: identifier after ','"),
        ("team=sh op", "found 'op', expected: ',' or 'end of string'"),
        ("-team", "name part must consist of alphanumeric characters"),
    ],
)
def test_a_selector_that_the_api_server_cannot_read_ends_the_operator_with_its_words(
    selector: str, words: str, control_plane: ControlPlane, own_atlas: Atlas, tmp_path: Path
) -> None:
    grant(control_plane, "default", "operator-misled")
    kubeconfig = control_plane.kubeconfig_for("default", "operator-misled")
    flags = [f"--label-selector={selector}", f"--atlas-url={own_atlas.url}", "--http-address=127.0.0.1:0"]

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
    assert f"The operator cannot start: LABEL_SELECTOR is {selector!r}, which the API server cannot read: 400" in last
    assert words in last
    assert "Traceback" not in done.stderr
