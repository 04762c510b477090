"""What docs/concepts.md shows is what kubectl prints about resources that an operator serves; ``--record`` writes it anew."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
import yaml

from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT, OTHER_CLOUD_ENDPOINT, Atlas, Place
from support.deploy import DEPLOY
from support.documentation import DOCS
from support.operator_process import OperatorProcess
from support.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from control_plane import ControlPlane
    from control_plane.process import ServerGroup
    from support.fixtures import StartAtlas


PAGE = DOCS / "concepts.md"
SAMPLES = DEPLOY / "samples"
SEED: dict[str, Any] = json.loads((DEPLOY / "simulator" / "seed.json").read_text(encoding="utf-8"))
NAMESPACE = "shop"
PROJECT, INSTANCE = SEED["projects"][0]["id"], "ServerlessInstance0"
FAILED = Place(PROJECT, INSTANCE, "5f7cac1adf5d6c6306f4b284")
WATCHED = Place(PROJECT, INSTANCE, "5f7cac1adf5d6c6306f4b285")
"""Endpoints that are beside those of the samples."""

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EVER_NEW = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "2026-11-24T12:00:00Z"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "6f1f0d7e-4c0e-4a43-9a53-5f3a3b0c9f10"),
    (re.compile(r"(Resource Version: +)\d+"), r"\g<1>1000"),
    (re.compile(r"vpce-svc-[0-9a-f]{17}"), "vpce-svc-9c342d834393930b3"),
    (re.compile(r"pls_[0-9a-f]{24}"), "pls_62f5394fcbfe456e4ed881d7"),
    (re.compile(r"(?<= )(\d+m)?\d+s(?=\s|$) *"), lambda found: "12s".ljust(len(found[0]))),
    (re.compile(r" +$", re.MULTILINE), ""),
)
"""What differs from run to run, and what is shown instead."""


Run: TypeAlias = "Callable[..., str]"
"""Runs kubectl in the namespace of the page, and gives what it prints."""


@pytest.fixture(scope="module")
def kubectl(  # noqa: PLR0917  # fixtures
    control_plane: ControlPlane,
    crd: str,
    group: ServerGroup,
    namespace: str,
    start_atlas: StartAtlas,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Run]:
    """A kubectl in a namespace with four resources, each of which tells something else."""
    atlas = start_atlas(SEED)
    settings: dict[str, Any] = {"atlas_url": atlas.url, "namespaces": namespace, "sync_interval": "2s"}
    folder, kubeconfig = tmp_path_factory.mktemp("page"), control_plane.kubeconfig
    operator = OperatorProcess.start(group, folder, kubeconfig=kubeconfig, **settings)
    resources = Resources(control_plane, namespace, {})
    _bring_about(resources, atlas)

    def run(*arguments: str) -> str:
        return control_plane.kubectl(*arguments, f"--namespace={namespace}").stdout.replace(namespace, NAMESPACE)

    wait_until(lambda: "Drifted" in run("events", "--for=spe/reports"), "the Event")
    yield run
    resources.close()
    operator.stop()


def _bring_about(resources: Resources, atlas: Atlas) -> None:
    account = SEED["serviceAccounts"][0]
    resources.secret(data={name: account[name] for name in ("clientId", "clientSecret")})
    atlas.change(WATCHED, status="AVAILABLE", cloudProviderEndpointId=OTHER_CLOUD_ENDPOINT, comment="reports")
    atlas.change(
        FAILED,
        status="FAILED",
        cloudProviderEndpointId=CLOUD_ENDPOINT,
        errorMessage="Failed to accept interface endpoint due to code={InvalidVpcEndpointId.NotFound}.",
    )
    for sample in ("aws-full", "azure"):
        body = yaml.safe_load((SAMPLES / f"{sample}.yaml").read_text(encoding="utf-8"))
        resources.create(body["metadata"]["name"], body["spec"])
    resources.create("invoices", FAILED.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    watched = WATCHED.spec(cloudProviderEndpointId=OTHER_CLOUD_ENDPOINT, comment="reports", driftPolicy="Report")
    resources.create("reports", watched)
    for name, reason in (
        ("orders", "Available"),
        ("billing", "WaitingForCloudEndpoint"),
        ("invoices", "EndpointFailed"),
    ):
        resources.wait_reason(name, reason)
    resources.wait_ready("reports")
    atlas.change(WATCHED, comment="changed by hand")
    resources.wait_reason("reports", "Drifted")


def answered(block: str, kubectl: Run) -> str:
    """Give a block with what its commands print now."""
    parts = []
    for line in (line for line in block.splitlines() if line.startswith("$ kubectl ")):
        text = kubectl(*shlex.split(line.removeprefix("$ kubectl ")))
        for pattern, instead in EVER_NEW:
            text = pattern.sub(instead, text)
        parts.append(f"{line}\n{text.rstrip()}\n")
    return "".join(parts)


def test_the_page_shows_what_kubectl_prints(request: pytest.FixtureRequest, kubectl: Run) -> None:
    page = PAGE.read_text(encoding="utf-8")
    printed = BLOCK.sub(lambda found: f"```console\n{answered(found[1], kubectl)}```", page)
    if request.config.getoption("--record", default=False):
        PAGE.write_text(printed, encoding="utf-8")
    else:
        assert printed == page, "what kubectl shows has changed: look whether that is meant, and run `make record`"
    assert [word for word in ("Available", "Drifted", "EndpointFailed") if word not in printed] == []
