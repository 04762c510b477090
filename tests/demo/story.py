"""What happens in the demo, scene by scene, and what has to come of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from demo.stage import ROOT, SAMPLE, UnexpectedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from demo.stage import Stage

NAME = "orders"
"""The resource of the samples for AWS."""
WATCHING = "deploy/samples/aws.yaml"
WHOLE = str(SAMPLE.relative_to(ROOT))
READY_TIMEOUT = "60s"
SHORT = 30.0
"""Seconds for what takes one or two on an idle machine."""
ATTEMPTS = 3
"""So many calls have to fail in the outage, to show that it is tried again, and less and less often."""

SECRET = "atlas-credentials"
READY = '{.status.conditions[?(@.type=="Ready")]'


def install(stage: Stage) -> None:
    """Bring everything up."""
    say = stage.terminal
    say.heading("A Kubernetes control plane, the API, and what the operator may do")
    stage.control_plane.start()
    version = json.loads(stage.control_plane.kubectl("version", "--output=json").stdout)["serverVersion"]["gitVersion"]
    say.aside(f"etcd, kube-apiserver and kube-controller-manager {version} run at {stage.control_plane.url}")
    stage.kubectl("apply", "-f", "crds/", "-f", "deploy/namespace.yaml", "-f", "deploy/rbac.yaml")
    stage.kubectl("wait", "--for=condition=Established", "crd/serverlessprivateendpoints.atlas-endpoints.dev")

    say.heading("A simulated Atlas, and the operator")
    stage.start_atlas()
    say.aside(f"the simulated Atlas Admin API runs at {stage.atlas.url}; one endpoint is RESERVED there")
    stage.start_operator()
    say.aside("the operator runs beside the cluster, as its own ServiceAccount with the rights of deploy/rbac.yaml")


def watch_over(stage: Stage) -> None:
    """Name an endpoint, and be told the service to connect to."""
    stage.terminal.heading("A resource that only names an endpoint is told what to connect to")
    stage.kubectl(
        *("create", "secret", "generic", SECRET),
        f"--from-literal=clientId={stage.client_id}",
        f"--from-literal=clientSecret={stage.client_secret}",
        hide=stage.client_secret,
    )
    stage.kubectl("apply", "-f", WATCHING)
    wait_for_reason(stage, "WaitingForCloudEndpoint")
    stage.kubectl("get", "spe", NAME)
    service = stage.kubectl("get", "spe", NAME, "-o", "jsonpath={.status.endpoint.endpointServiceName}")
    expect(stage, "the status names Atlas's endpoint service", service.startswith("com.amazonaws.vpce."))
    expect_writes(stage, since=0, bodies=[])


def connect(stage: Stage) -> None:
    """Name the cloud's endpoint, and see the endpoint become AVAILABLE."""
    stage.terminal.heading("With the cloud's endpoint in the spec, Atlas connects it")
    before = stage.atlas.count()
    stage.kubectl("apply", "-f", WHOLE)
    wait_until_ready(stage)
    stage.kubectl("get", "spe", NAME, "-o", "wide")
    spec = spec_of_the_sample()
    fields = {name: spec[name] for name in ("cloudProviderEndpointId", "comment")}
    expect_writes(stage, before, [{"providerName": "AWS", **fields}])


def edit(stage: Stage) -> None:
    """Edit the resource: one PATCH, with what differs."""
    stage.terminal.heading("An edit becomes one PATCH, with nothing in it but what differs")
    before = stage.atlas.count()
    patch_comment(stage, "orders, version 2")
    wait_until_ready(stage)
    expect_writes(stage, before, [{"providerName": "AWS", "comment": "orders, version 2"}])


def drift(stage: Stage) -> None:
    """Change the endpoint in Atlas, and see it corrected."""
    say = stage.terminal
    say.heading("A change behind the operator's back is found and corrected")
    spec = spec_of_the_sample()
    before = stage.atlas.count()
    stage.atlas.change(
        {
            "projectId": spec["projectId"],
            "instanceName": spec["instanceName"],
            "endpoint": {"_id": spec["endpointId"], "comment": "changed by hand"},
        }
    )
    say.say("Somebody changed the comment in Atlas to: changed by hand")
    say.say("It would be noticed within spec.syncInterval, 10 minutes; the annotation asks to look now:")
    force_sync(stage, "look-1")
    stage.kubectl("wait", "--for=jsonpath={.status.lastHandledReconcileAt}=look-1", f"spe/{NAME}")
    expect_writes(stage, before, [{"providerName": "AWS", "comment": "orders, version 2"}])
    newest = stage.kubectl("get", "spe", NAME, "-o", "jsonpath={.status.history[0]}")
    expect(stage, "the history tells it from an edit", json.loads(newest)["cause"] == "Drift")


def outage(stage: Stage) -> None:
    """Break Atlas while an edit is made, and let it heal."""
    say = stage.terminal
    say.heading("Atlas fails while an edit is made: the status says so, and the edit is not lost")
    before = stage.atlas.count()
    stage.atlas.fail(503)
    say.say("From now on the simulated Atlas answers 503 to every call.")
    patch_comment(stage, "orders, version 3")
    wait_for_reason(stage, "AtlasUnavailable")
    stage.kubectl("get", "spe", NAME)
    stage.kubectl("get", "spe", NAME, "-o", f"jsonpath={READY}.message}}")
    stage.wait(lambda: len(stage.atlas.requests(before)) >= ATTEMPTS, f"{ATTEMPTS} calls to be tried", timeout=SHORT)
    stage.atlas.heal()
    say.say("Atlas is healed. Nobody touches the resource.")
    wait_until_ready(stage)
    requests = stage.atlas.requests(before)
    say.say("What Atlas received, by seconds: after a lost answer the operator looks before it sends again.")
    for each in requests:
        say.output(f"{each.time - requests[0].time:4.1f} s  {each.summarize()}")
    written = [each for each in requests if each.method == "PATCH" and each.status == 200]
    expect(stage, "in the end Atlas took the edit once", len(written) == 1)
    comment = (stage.atlas.endpoint(spec_of_the_sample()["endpointId"]) or {}).get("comment")
    expect(stage, "Atlas has the new comment", comment == "orders, version 3")


def end_of_the_api(stage: Stage) -> None:
    """Have Atlas answer as it is expected to since the API's sunset."""
    say = stage.terminal
    say.heading("The API has ended in Atlas (its sunset was 2026-01-22): the status says what to do")
    stage.atlas.switch("gone")
    force_sync(stage, "look-2")
    wait_for_reason(stage, "APIGone")
    stage.kubectl("get", "spe", NAME, "-o", f"jsonpath={READY}.message}}")
    stage.atlas.switch("normal")
    say.say("(The simulated Atlas takes that back.)")
    force_sync(stage, "look-3")
    wait_until_ready(stage)


def delete(stage: Stage) -> None:
    """Delete the resource, and see that Atlas keeps the endpoint."""
    stage.terminal.heading("Deleting the resource leaves the endpoint in Atlas as it is")
    before = stage.atlas.count()
    stage.kubectl("delete", "spe", NAME)
    expect_writes(stage, before, [])
    endpoint = stage.atlas.endpoint(spec_of_the_sample()["endpointId"])
    expect(stage, "Atlas still has the endpoint, AVAILABLE", endpoint is not None and endpoint["status"] == "AVAILABLE")
    stage.stop_operator()
    stage.terminal.good("ok: asked to end, the operator ended with code 0")


def spec_of_the_sample() -> Mapping[str, Any]:
    """Read the spec that the story is about."""
    spec: Mapping[str, Any] = yaml.safe_load(SAMPLE.read_text(encoding="utf-8"))["spec"]
    return spec


def patch_comment(stage: Stage, comment: str) -> None:
    """Edit the resource's comment."""
    stage.kubectl("patch", "spe", NAME, "--type=merge", "--patch", json.dumps({"spec": {"comment": comment}}))


def force_sync(stage: Stage, value: str) -> None:
    """Ask the operator to look at the endpoint now."""
    stage.kubectl("annotate", "--overwrite", "spe", NAME, f"atlas-endpoints.dev/force-sync={value}")


def wait_until_ready(stage: Stage) -> None:
    """Wait until the spec as it is now is applied and the endpoint is available."""
    stage.kubectl("wait", "--for=condition=Ready", f"spe/{NAME}", f"--timeout={READY_TIMEOUT}")


def wait_for_reason(stage: Stage, reason: str) -> None:
    """Wait until the resource is ready, or not, for this reason."""
    stage.kubectl("wait", f"--for=jsonpath={READY}.reason}}={reason}", f"spe/{NAME}", f"--timeout={READY_TIMEOUT}")


def expect_writes(stage: Stage, since: int, bodies: Sequence[Mapping[str, Any]]) -> None:
    """Show what changes Atlas was sent since a count of requests, and expect exactly these."""
    writes = [each for each in stage.atlas.requests(since) if each.method != "GET"]
    for each in writes:
        stage.terminal.output(each.describe())
    if [each.body for each in writes] != list(bodies) or any(each.method != "PATCH" for each in writes):
        wanted = "; ".join(f"PATCH {json.dumps(body)}" for body in bodies) or "nothing"
        raise UnexpectedError(f"Atlas should have been sent: {wanted}; and was sent what is shown above")
    stage.terminal.good(f"ok: Atlas was sent {f'{len(bodies)} PATCH' if bodies else 'no change'}")


def expect(stage: Stage, what: str, holds: bool) -> None:
    """Expect that something is so, and say it."""
    if not holds:
        raise UnexpectedError(f"it is not so that {what}")
    stage.terminal.good(f"ok: {what}")


STORY = (install, watch_over, connect, edit, drift, outage, end_of_the_api)
"""What happens; then `delete`, unless it is to be kept."""
