"""Set-ups that are broken as people break them: what is done, what a resource says then, and what heals it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from demo.scene import (
    CLOUD_ENDPOINT,
    CLUSTER,
    DEDICATED,
    ORDERS,
    REGION,
    SECRET,
    SERVED,
    SERVERLESS,
    STRANGE_CLOUD_ENDPOINT,
    Kind,
    Scene,
)
from demo.stage import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Act: TypeAlias = "Callable[[Scene], None]"

NOTHING = "Nothing at all"
"""The heading of docs/reasons.md about resources that say nothing."""
RESERVED = {"status": "RESERVED", "cloudProviderEndpointId": None}
"""An endpoint in Atlas that nothing is connected to."""
GATEWAY = "198.51.100.0/24"
DESCRIBE = ("describe", DEDICATED.short, ORDERS)
DESCRIBE_SERVERLESS = ("describe", SERVERLESS.short, ORDERS)


@dataclass(frozen=True, slots=True)
class SetUp:
    """A broken set-up.

    Attributes:
        team: Whose it is; names the namespace, and nothing of what is wrong.
        call: What the team says when it calls.
        spoil: Brings it about.
        heading: Of docs/reasons.md, under which it is explained: a reason of `Ready`, or `NOTHING`.
        beside: A condition beside `Ready`, and its reason, whose row explains the rest.
        message: What `Ready` says has to hold this, which tells the remedy.
        answer: What is wrong, in words about this set-up.
        heal: Heals it, by what people type.
        look: The one command of kubectl that shows it, in the namespace.
        speaker: The resource that says it.
        goes: Whether healing ends with the resource's being gone.
        kind: Of the resource, until it is healed.
    """

    team: str
    call: str
    spoil: Act
    heading: str
    message: str
    answer: str
    heal: Act
    beside: tuple[str, str] | None = None
    look: tuple[str, ...] = DESCRIBE
    speaker: str = ORDERS
    goes: bool = False
    kind: Kind = DEDICATED


def _created(
    *, account: Mapping[str, Any] | None = None, endpoint: Mapping[str, Any] | None = None, **spec: Any
) -> Act:
    """Have a resource beside its Secret, in an Atlas with this account and this endpoint, if they are not as they should."""

    def act(scene: Scene) -> None:
        if account is not None:
            scene.account(**account)
        if endpoint is not None:
            scene.endpoint(**endpoint)
        scene.secret()
        scene.create(**spec)

    return act


def _patched(said: str = "", **spec: Any) -> Act:
    """Change the spec."""

    def act(scene: Scene) -> None:
        if said:
            scene.terminal.say(said)
        scene.kubectl("patch", scene.kind.short, ORDERS, "--type=merge", "--patch", json.dumps({"spec": spec}))

    return act


def _account_changed(said: str, **account: Any) -> Act:
    """Change the service account in Atlas."""

    def act(scene: Scene) -> None:
        scene.terminal.say(said)
        scene.account(**account)
        scene.force_sync()

    return act


def _wrong_secret(scene: Scene) -> None:
    scene.secret(client_secret=f"{scene.team.client_secret[:-1]}~")
    scene.create()


def _correct_secret(scene: Scene) -> None:
    right = scene.team.client_secret
    patch = json.dumps({"stringData": {"clientSecret": right}})
    scene.kubectl("patch", "secret", SECRET, "--type=merge", "--patch", patch, hide=right)
    scene.force_sync()


def _create_anew(scene: Scene) -> None:
    scene.terminal.say(f"In the manifest, cloudProviderEndpointId is corrected: {CLOUD_ENDPOINT}.")
    scene.kubectl("delete", "dpe", ORDERS)
    scene.kubectl("apply", "-f", str(scene.manifest(deletionPolicy="Delete")))


def _write_the_other_kind(scene: Scene) -> None:
    scene.kind = DEDICATED
    scene.terminal.say("The manifest is written anew: DedicatedPrivateEndpoint, with the region of the cluster.")
    scene.kubectl("delete", "spe", ORDERS)
    scene.kubectl("apply", "-f", str(scene.manifest()))


def _renamed(scene: Scene) -> None:
    _created()(scene)
    scene.becomes_ready()
    scene.create("orders-v2")


def _no_cloud_endpoint_yet(scene: Scene) -> None:
    crd = ROOT / "tests" / "support" / "crds" / "ec2.services.k8s.aws_vpcendpoints.yaml"
    scene.put(yaml.safe_load(crd.read_text(encoding="utf-8")))
    scene.stage.control_plane.wait_for_crds()
    reference = {"apiVersion": "ec2.services.k8s.aws/v1alpha1", "kind": "VPCEndpoint", "name": "media-to-atlas"}
    _created(cloudProviderEndpointId=None, cloudProviderEndpointRef=reference)(scene)


def _create_cloud_endpoint(scene: Scene) -> None:
    service = scene.kubectl_unseen("get", "dpe", ORDERS, "-o", "jsonpath={.status.service.endpointServiceName}")
    vpc_endpoint = {
        "apiVersion": "ec2.services.k8s.aws/v1alpha1",
        "kind": "VPCEndpoint",
        "metadata": {"name": "media-to-atlas"},
        "spec": {"vpcEndpointType": "Interface", "serviceName": service, "vpcID": "vpc-0123456789abcdef0"},
    }
    scene.kubectl("apply", "-f", str(scene.file("vpc-endpoint.yaml", vpc_endpoint)))
    scene.terminal.say(
        "AWS Controllers for Kubernetes would create it now and write its ID into the status; the demo does."
    )
    scene.put({"status": {"vpcEndpointID": CLOUD_ENDPOINT}}, status_of="vpcendpoint/media-to-atlas")


def _deleted_while_suspended(scene: Scene) -> None:
    _created(deletionPolicy="Delete")(scene)
    scene.becomes_ready()
    scene.edit(suspend=True)
    scene.kubectl_unseen("delete", "--wait=false", "dpe", ORDERS)


def _failed_service(scene: Scene) -> None:
    scene.endpoint_service(status="FAILED")
    _created()(scene)


def _delete_service(scene: Scene) -> None:
    scene.terminal.say(f"In Atlas: the endpoint service of {REGION}, which no endpoint uses, is deleted.")
    scene.endpoint_service(remove=True)
    scene.force_sync()


SET_UPS = (
    SetUp(
        team="cart",
        call="We are moving to this cluster, with the same manifests. Our endpoint does not become ready.",
        spoil=Scene.create,
        heading="CredentialsInvalid",
        beside=("CredentialsValid", "SecretNotFound"),
        message="Create it with the keys clientId and clientSecret",
        answer="The Secret has not moved with the manifests: it is in no repository.",
        heal=Scene.create_secret,
    ),
    SetUp(
        team="search",
        call="We have rotated our secret of Atlas as told. Since then nothing works.",
        spoil=_wrong_secret,
        heading="CredentialsInvalid",
        beside=("CredentialsValid", "Unauthorized"),
        message=f"Put valid credentials into Secret {SECRET}",
        answer="The new client secret was mistyped when it was put into the Secret.",
        heal=_correct_secret,
    ),
    SetUp(
        team="prices",
        call="The network team has moved the cluster behind another gateway tonight.",
        spoil=_created(account={"access_list": [GATEWAY]}),
        heading="IPNotAllowed",
        beside=("CredentialsValid", "NotAllowed"),
        message="does not allow the address of the operator",
        answer="The operator calls from an address that the service account's access list does not hold.",
        heal=_account_changed(
            "In Atlas: 127.0.0.1 is added to the API access list of the service account.",
            access_list=[GATEWAY, "127.0.0.1/32"],
        ),
    ),
    SetUp(
        team="mail",
        call="The VPC endpoint is there, we see it in AWS. Our Pods cannot connect.",
        spoil=_created(cloudProviderEndpointId=STRANGE_CLOUD_ENDPOINT, deletionPolicy="Delete"),
        heading="EndpointFailed",
        message="Check in the cloud that it exists",
        answer="The ID of the VPC endpoint is not the one that AWS shows. It can never be changed, so the resource is created anew.",
        heal=_create_anew,
    ),
    SetUp(
        team="returns",
        call="We have renamed our endpoint to orders-v2. It waits for something.",
        spoil=_renamed,
        heading="Conflict",
        beside=("Contended", "Conflict"),
        message="Delete all but one",
        answer="The resource with the old name is still there, and owns the endpoint.",
        heal=lambda scene: scene.kubectl("delete", "dpe", ORDERS),
        look=("describe", "dpe", "orders-v2"),
        speaker="orders-v2",
    ),
    SetUp(
        team="media",
        call="All is in one chart, with our VPC endpoint as an object beside it. Nothing moves.",
        spoil=_no_cloud_endpoint_yet,
        heading="WaitingForCloudEndpoint",
        beside=("ReferencesResolved", "NotFound"),
        message="Create it, or correct the reference",
        answer="The reference is right, and the VPCEndpoint that it names was never applied.",
        heal=_create_cloud_endpoint,
    ),
    SetUp(
        team="ledger",
        call="We are tidying up: our endpoint is to go, in Atlas too. kubectl delete hangs.",
        spoil=_deleted_while_suspended,
        heading="DeletionBlocked",
        message="Set spec.suspend to false",
        answer="The resource was suspended before it was deleted, so that Atlas is left alone; its endpoint is to be deleted.",
        heal=_patched(suspend=False),
        goes=True,
    ),
    SetUp(
        team="video",
        call="We have applied it, and it says nothing at all.",
        spoil=_created(labels={"enviroment": "production"}),
        heading=NOTHING,
        message="",
        answer="The operator serves what is labelled environment=production (its command above); this label is mistyped.",
        heal=lambda scene: scene.kubectl("label", "dpe", ORDERS, *(f"{key}={value}" for key, value in SERVED.items())),
        look=("get", "dpe", "--show-labels"),
    ),
    SetUp(
        team="loyalty",
        call="Our cluster is a dedicated one now. Atlas shows all green for our region, and our endpoint is not there.",
        spoil=_created(cloudProviderEndpointId=None),
        heading="WaitingForCloudEndpoint",
        beside=("ServiceReady", "Ready"),
        message="create an interface VPC endpoint to the service",
        answer="Atlas's side is ready, and the manifest names no VPC endpoint: nobody has created one.",
        heal=_patched(
            "In AWS: a VPC endpoint to the service that the status names is created.",
            cloudProviderEndpointId=CLOUD_ENDPOINT,
        ),
    ),
    SetUp(
        team="fraud",
        call="The first endpoint of our project in Ireland. The VPC endpoint is there.",
        spoil=_failed_service,
        heading="ServiceFailed",
        beside=("ServiceReady", "NotReady"),
        message="Delete it in Atlas when nothing uses it",
        answer="Atlas could not create its side of the region. What is left of it has to be deleted once.",
        heal=_delete_service,
    ),
    SetUp(
        team="reports",
        call="We have tried it out, and it looked right. The VPC endpoint is there now, and Atlas does not list it.",
        spoil=_created(managementPolicy="Observe"),
        heading="EndpointNotFound",
        beside=("ServiceReady", "Ready"),
        message="spec.managementPolicy is Observe",
        answer="From the trial, the manifest still says that the operator only observes, so it registers nothing.",
        heal=_patched(managementPolicy=None),
    ),
    SetUp(
        team="stock",
        call="We have added a comment to our endpoint. Atlas does not show it.",
        spoil=_created(account={"role": "GROUP_READ_ONLY"}, comment="stock, production"),
        heading="MissingRole",
        beside=("CredentialsValid", "NotAllowed"),
        message="they need the role Project Owner",
        answer="The service account may read the project, and not change anything in it.",
        heal=_account_changed("In Atlas: the role Project Owner in the project is granted.", role="GROUP_OWNER"),
        look=DESCRIBE_SERVERLESS,
        kind=SERVERLESS,
    ),
    SetUp(
        team="photos",
        call="Atlas has shown us a service, and we have entered our VPC endpoint. No connection so far.",
        spoil=_created(endpoint=RESERVED, cloudProviderEndpointId=STRANGE_CLOUD_ENDPOINT),
        heading="EndpointFailed",
        message="change spec.cloudProviderEndpointId",
        answer="The ID of the VPC endpoint is not the one that AWS shows; Atlas looked for it in vain.",
        heal=_patched(cloudProviderEndpointId=CLOUD_ENDPOINT),
        look=DESCRIBE_SERVERLESS,
        kind=SERVERLESS,
    ),
    SetUp(
        team="reviews",
        call="This is our first endpoint. The cluster is up, and its name is right. Did we forget something?",
        spoil=_created(instanceName=CLUSTER, endpointId=None),
        heading="InstanceNotFound",
        message="write its DedicatedPrivateEndpoint with `atlas-endpoints import",
        answer="The cluster is a dedicated one, and the manifest is for serverless instances.",
        heal=_write_the_other_kind,
        look=DESCRIBE_SERVERLESS,
        kind=SERVERLESS,
    ),
)
"""In the order in which they are shown."""
