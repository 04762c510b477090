"""What happens in the demo, scene by scene, and what has to come of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from demo.stage import ENDPOINTS, SAMPLES, UnexpectedError, managed, spec_of
from support.atlas import Place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from demo.stage import Stage

ORDERS, BILLING, LAKE, VAULT, SHOP = "orders", "billing", "lake", "vault", "shop"
"""The resources of the samples, for AWS, for Azure, for Data Federation, for encryption at rest and for the regional mode."""
AWS, AZURE, DEDICATED, FEDERATED, KEYS = map(
    spec_of,
    ("aws-full", "azure-full", "dedicated-aws-full", "data-federation-aws-full", "encryption-at-rest-azure"),
)

SECRET = "atlas-credentials"
READY = '{.status.conditions[?(@.type=="Ready")]'
PATIENCE = "60s"
"""How long kubectl waits for what takes a few seconds on an idle machine."""

ATTEMPTS = 3
"""So many calls have to fail in the outage, to show that it is tried again, and less and less often."""
ATTEMPTS_TIMEOUT = 30.0
"""Seconds that so many attempts may take; with the operator's backoff they take three at most."""


def install(stage: Stage) -> None:
    """Bring everything up."""
    say = stage.terminal
    say.heading("A Kubernetes control plane, the API, and what the operator may do")
    stage.control_plane.start()
    version = json.loads(stage.control_plane.kubectl("version", "--output=json").stdout)["serverVersion"]["gitVersion"]
    say.aside(f"etcd and kube-apiserver {version} run at {stage.control_plane.url}")
    files = ("namespace.yaml", "service-account.yaml", "leader-election.yaml")
    rights = [part for name in files for part in ("-f", f"deploy/base/{name}")]
    stage.kubectl("apply", "-f", "crds/", *rights, "-f", "deploy/overlays/cluster/rbac.yaml")
    outputs = "deploy/components/outputs/rbac.yaml"
    stage.kubectl("patch", "clusterrole", "atlas-endpoints", "--type=json", "--patch-file", outputs)
    stage.control_plane.wait_for_crds()

    say.heading("A simulated Atlas, and the operator")
    stage.start_atlas()
    say.aside(f"the simulated Atlas Admin API runs at {stage.atlas.url}")
    stage.start_operator()
    say.aside("the operator runs beside the cluster, as its own ServiceAccount with the rights that it has there")


def ask(stage: Stage) -> None:
    """Give the operator credentials, and have Atlas make an endpoint, which takes a while."""
    stage.terminal.heading("For encryption at rest, the operator has Atlas make an endpoint to your Key Vault")
    stage.kubectl(
        *("create", "secret", "generic", SECRET),
        f"--from-literal=clientId={stage.client_id}",
        f"--from-literal=clientSecret={stage.client_secret}",
        hide=stage.client_secret,
    )
    stage.kubectl("apply", "-f", f"{SAMPLES}/encryption-at-rest-azure.yaml")
    wait_for_reason(stage, VAULT, "Initiating", kind="earpe")
    stage.terminal.say("Atlas takes a while for it.")


def dedicated(stage: Stage) -> None:
    """Have the endpoint service of a region created, and an endpoint registered with it."""
    say = stage.terminal
    say.heading("For dedicated clusters, the operator creates the endpoint service of the region")
    stage.kubectl("apply", "-f", f"{SAMPLES}/dedicated-aws.yaml")
    wait_for_reason(stage, ORDERS, "WaitingForCloudEndpoint", kind="dpe")
    stage.kubectl("get", "dpe", ORDERS)
    service = stage.kubectl("get", "dpe", ORDERS, "-o", "jsonpath={.status.service.endpointServiceName}")
    expect(stage, "the status names Atlas's endpoint service", holds=service.startswith("com.amazonaws.vpce."))
    say.say("Somebody creates the VPC endpoint. The operator registers it with the service.")
    endpoint = DEDICATED["cloudProviderEndpointId"]
    patch(stage, ORDERS, kind="dpe", cloudProviderEndpointId=endpoint)
    wait_until_ready(stage, ORDERS, kind="dpe")
    stage.kubectl("get", "dpe", ORDERS, "-o", "wide")
    service_of_region = {"providerName": "AWS", "region": DEDICATED["region"]}
    expect_writes(stage, 0, [service_of_region, {"id": endpoint}], method="POST")


def federate(stage: Stage) -> None:
    """Have an endpoint for Data Federation registered, and a hostname written for applications."""
    say = stage.terminal
    say.heading("For Data Federation, the operator registers the endpoint, and gives applications the private hostname")
    stage.kubectl("apply", "-f", f"{SAMPLES}/data-federation-aws.yaml")
    wait_for_reason(stage, LAKE, "WaitingForCloudEndpoint", kind="dfpe")
    stage.kubectl("get", "dfpe", LAKE, "-o", "jsonpath={.status.serviceName}")
    say.say("Somebody creates the VPC endpoint to this service, and names it and the federated database.")
    patch(
        stage,
        LAKE,
        kind="dfpe",
        cloudProviderEndpointId=FEDERATED["cloudProviderEndpointId"],
        federatedDatabases=FEDERATED["federatedDatabases"][:1],
    )
    wait_until_ready(stage, LAKE, kind="dfpe")
    stage.kubectl("get", "dfpe", LAKE)
    host = stage.kubectl("get", "configmap", "lake-connection", "-o", "jsonpath={.data.hostname}")
    expect(stage, "the ConfigMap has the hostname for this endpoint", holds=host.startswith(f"{LAKE}-"))


def switch(stage: Stage) -> None:
    """Be told which connection strings regional mode changes, accept it, and see it switched on."""
    say, project = stage.terminal, DEDICATED["projectId"]
    say.heading(
        "Regional mode changes connection strings: the operator names the clusters, and waits until that is accepted"
    )
    strings = {"privateEndpoint": [{"connectionString": "mongodb://pl-0-eu-west-1.example.net"}]}
    regions = [{"regionName": "EU_WEST_1"}, {"regionName": "US_EAST_1"}]
    cluster = {"name": SHOP, "clusterType": "SHARDED", "regions": regions, "connectionStrings": strings}
    stage.atlas.post("clusters", {"projectId": project, **cluster})
    stage.kubectl("apply", "-f", f"{SAMPLES}/regional-mode.yaml")
    wait_for_reason(stage, SHOP, "StringsWillChange", kind="perm")
    named = stage.kubectl("get", "perm", SHOP, "-o", "jsonpath={.status.affectedClusters}")
    expect(stage, "the status names the cluster", holds=named == f'["{SHOP}"]')
    patch(stage, SHOP, kind="perm", acceptStringChanges=True)
    wait_until_ready(stage, SHOP, kind="perm")
    is_on = stage.atlas.project(Place(project, "", ""))["regionalMode"]
    expect(stage, "in Atlas the regional mode is on", holds=is_on)


def approve(stage: Stage) -> None:
    """Approve the connection of an endpoint in the Key Vault, and see the endpoint become ready."""
    say = stage.terminal
    say.heading("Somebody approves the endpoint to the Key Vault: the status has the command for that")
    wait_for_reason(stage, VAULT, "WaitingForApproval", kind="earpe")
    stage.kubectl("get", "earpe", VAULT)
    stage.kubectl("get", "earpe", VAULT, "-o", "jsonpath={.status.approveCommand}")
    say.say("Somebody runs it. The annotation force-sync spares the wait for the next look.")
    where = {"cloudProvider": "AZURE", "regionName": KEYS["region"], "connection": "approve"}
    stage.atlas.post("encryptionAtRestEndpoints", {"projectId": KEYS["projectId"], **where})
    stage.wait(lambda: approved(stage), "Atlas to see the approval", timeout=10)
    force_sync(stage, VAULT, kind="earpe")
    wait_until_ready(stage, VAULT, kind="earpe")
    stage.kubectl("get", "earpe", VAULT)


def watch_over(stage: Stage) -> None:
    """Name an endpoint, and be told the service to connect to."""
    stage.terminal.heading("For serverless instances, the status shows the service that your VPC endpoint must target")
    before = len(stage.atlas.requests())
    stage.kubectl("apply", "-f", f"{SAMPLES}/aws.yaml")
    wait_for_reason(stage, ORDERS, "WaitingForCloudEndpoint")
    stage.kubectl("get", "spe", ORDERS)
    service = stage.kubectl("get", "spe", ORDERS, "-o", "jsonpath={.status.endpoint.endpointServiceName}")
    expect(stage, "the status names Atlas's endpoint service", holds=service.startswith("com.amazonaws.vpce."))
    expect_writes(stage, before, [])


def connect(stage: Stage) -> None:
    """Name the cloud's endpoint, and see the endpoint become AVAILABLE."""
    stage.terminal.heading("Atlas connects the cloud's endpoint that the spec names")
    before = len(stage.atlas.requests())
    stage.kubectl("apply", "-f", f"{SAMPLES}/aws-full.yaml")
    wait_until_ready(stage, ORDERS)
    stage.kubectl("get", "spe", ORDERS, "-o", "wide")
    expect_writes(stage, before, [{"providerName": "AWS", **managed(AWS)}])


def edit(stage: Stage) -> None:
    """Edit the resource: one PATCH, with what differs."""
    stage.terminal.heading("An edit becomes one PATCH that contains only the changed fields")
    before = len(stage.atlas.requests())
    patch(stage, ORDERS, comment="orders, version 2")
    wait_until_ready(stage, ORDERS)
    expect_writes(stage, before, [{"providerName": "AWS", "comment": "orders, version 2"}])


def drift(stage: Stage) -> None:
    """Change an endpoint in Atlas, and see that reported, then corrected."""
    say = stage.terminal
    say.heading("Drift in Atlas is detected, and reported or corrected as spec.driftPolicy specifies")
    before = len(stage.atlas.requests())
    stage.kubectl("apply", "-f", f"{SAMPLES}/azure-full.yaml")
    wait_until_ready(stage, BILLING)
    say.say("This endpoint was AVAILABLE and as specified. Now somebody changes its comment in Atlas.")
    stage.atlas.post(
        "endpoints",
        {
            "projectId": AZURE["projectId"],
            "instanceName": AZURE["instanceName"],
            "endpoint": {"_id": AZURE["endpointId"], "comment": "changed by hand"},
        },
    )
    say.say("The operator detects this within spec.syncInterval; the annotation force-sync requests it now.")
    force_sync(stage, BILLING)
    wait_for_reason(stage, BILLING, "Drifted")
    found = stage.kubectl("get", "spe", BILLING, "-o", "jsonpath={.status.drift}")
    expect(stage, "the status reports the drift", holds="changed by hand" in found)
    expect_writes(stage, before, [])
    patch(stage, BILLING, driftPolicy="Correct")
    wait_until_ready(stage, BILLING)
    expect_writes(stage, before, [{"providerName": "AZURE", "comment": AZURE["comment"]}])


def outage(stage: Stage) -> None:
    """Break Atlas while an edit is made, and let it heal."""
    say = stage.terminal
    say.heading("Atlas fails during an edit: the status reports it, and the edit is not lost")
    before = len(stage.atlas.requests())
    stage.atlas.post("faults", [{"match": {"path": ENDPOINTS}, "status": 503}])
    say.say("From now on the simulated Atlas answers 503 to every call.")
    patch(stage, ORDERS, comment="orders, version 3")
    wait_for_reason(stage, ORDERS, "AtlasUnavailable")
    stage.kubectl("get", "spe", ORDERS)
    tell_message(stage, ORDERS)
    stage.wait(lambda: len(stage.requests(before)) >= ATTEMPTS, f"{ATTEMPTS} attempts", timeout=ATTEMPTS_TIMEOUT)
    stage.atlas.heal()
    say.say("Atlas works again. Nobody changes the resource.")
    wait_until_ready(stage, ORDERS)
    requests = stage.requests(before)
    say.say(
        "What Atlas received, by seconds. A 503 does not say whether the edit was applied, so the operator reads the endpoint before it sends again."
    )
    for each in requests:
        path = each["path"].partition(ENDPOINTS)[2]
        summary = f"{each['method']} …{path} answered {each['status']}"
        body = f" {json.dumps(each['body'])}" if each["body"] else ""
        say.output(f"{each['time'] - requests[0]['time']:4.1f} s  {summary}{body}")
    taken = [each for each in requests if each["method"] == "PATCH" and each["status"] == 200]
    expect(stage, "Atlas took the edit, once", holds=len(taken) == 1)
    expect_comment(stage, "orders, version 3")


def end_of_the_api(stage: Stage) -> None:
    """Have Atlas answer as it is expected to since the API's sunset."""
    say = stage.terminal
    say.heading("The API ends (its announced end was 2026-01-22): the status names the remedy")
    stage.atlas.post("mode", {"mode": "gone"})
    force_sync(stage, ORDERS)
    wait_for_reason(stage, ORDERS, "APIGone")
    tell_message(stage, ORDERS)
    stage.atlas.post("mode", {"mode": "normal"})
    say.say("The simulated Atlas serves the API again.")
    force_sync(stage, ORDERS)
    wait_until_ready(stage, ORDERS)


def delete(stage: Stage) -> None:
    """Delete the resources, and see that Atlas keeps the endpoints."""
    stage.terminal.heading("Deleting a resource leaves its endpoint in Atlas as it is")
    before = len(stage.atlas.requests())
    stage.kubectl(
        "delete", f"spe/{ORDERS}", f"spe/{BILLING}", f"dpe/{ORDERS}", f"dfpe/{LAKE}", f"earpe/{VAULT}", f"perm/{SHOP}"
    )
    expect_writes(stage, before, [])
    expect_comment(stage, "orders, version 3")
    stage.stop_operator()
    stage.terminal.good("ok: the operator stopped with exit code 0")


def patch(stage: Stage, name: str, *, kind: str = "spe", **fields: Any) -> None:
    stage.kubectl("patch", kind, name, "--type=merge", "--patch", json.dumps({"spec": fields}))


def force_sync(stage: Stage, name: str, *, kind: str = "spe") -> None:
    """Ask the operator to look at an endpoint now; any new value does."""
    value = f"look-{len(stage.atlas.requests())}"
    stage.kubectl("annotate", "--overwrite", kind, name, f"atlas-endpoints.dev/force-sync={value}")


def wait_until_ready(stage: Stage, name: str, *, kind: str = "spe") -> None:
    """Wait until the spec as it is now is applied and the endpoint is available."""
    stage.kubectl("wait", "--for=condition=Ready", f"{kind}/{name}", f"--timeout={PATIENCE}")


def wait_for_reason(stage: Stage, name: str, reason: str, *, kind: str = "spe") -> None:
    """Wait until a resource is ready, or not, for this reason."""
    stage.kubectl("wait", f"--for=jsonpath={READY}.reason}}={reason}", f"{kind}/{name}", f"--timeout={PATIENCE}")


def approved(stage: Stage) -> bool:
    """Return whether Atlas knows that the connection to the Key Vault is approved."""
    (endpoint,) = stage.atlas.project(Place(KEYS["projectId"], "", ""))["encryptionAtRestEndpoints"]
    return bool(endpoint["status"] == "ACTIVE")


def tell_message(stage: Stage, name: str) -> None:
    stage.kubectl("get", "spe", name, "-o", f"jsonpath={READY}.message}}")


def expect(stage: Stage, what: str, *, holds: bool) -> None:
    if not holds:
        raise UnexpectedError(f"expected, and not so: {what}")
    stage.terminal.good(f"ok: {what}")


def expect_comment(stage: Stage, comment: str) -> None:
    """Expect that Atlas holds the endpoint on AWS, available and with this comment."""
    endpoint = stage.endpoint(AWS["endpointId"])
    holds = (endpoint.get("status"), endpoint.get("comment")) == ("AVAILABLE", comment)
    expect(stage, f"in Atlas the endpoint is AVAILABLE, with the comment {comment!r}", holds=holds)


def expect_writes(stage: Stage, since: int, bodies: Sequence[Mapping[str, Any]], *, method: str = "PATCH") -> None:
    """Show what changes Atlas was sent since a count of requests, and expect exactly these."""
    writes = [each for each in stage.requests(since) if each["method"] != "GET"]
    for each in writes:
        body = [json.dumps(each["body"])] if each["body"] else []
        stage.terminal.output("\n".join([f"{each['method']} {each['path']}", *body, f"answered {each['status']}"]))
    if [each["body"] for each in writes] != list(bodies) or any(each["method"] != method for each in writes):
        wanted = "; ".join(f"{method} {json.dumps(body)}" for body in bodies) or "no change"
        raise UnexpectedError(f"Atlas received other writes than {wanted}; they are shown above")
    stage.terminal.good(f"ok: Atlas was sent {f'{len(bodies)} {method}' if bodies else 'no change'}")


STORY = (install, ask, dedicated, federate, switch, approve, watch_over, connect, edit, drift, outage, end_of_the_api)
"""What happens; then `delete`, unless it is to be kept."""
