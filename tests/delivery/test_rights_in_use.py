"""The operator with exactly the rights that are shipped: it needs each of them, and no other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from control_plane.process import PATIENCE, wait_until
from delivery.helm import documents
from delivery.recorded import DEDICATED, KINDS, REGIONAL_MODE, SERVERLESS, STREAM
from delivery.rights import BINDINGS, ROLES, granted
from delivery.subjects import SUBJECTS, DedicatedPlace, RegionalModePlace, StreamPlace
from faults.proxy import Proxy
from faults.rules import Refusal
from support import clouds
from support.atlas import CLOUD_ENDPOINT
from support.audit import deeds
from support.clouds import ACK, ADDRESS, ASO, FORWARDING_RULE, PROJECT
from support.deploy import NAME
from support.operator_process import OperatorProcess
from support.resources import MERGE, Resources, condition

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from control_plane import ControlPlane
    from control_plane.process import ServerGroup
    from delivery.helm import Helm
    from support.atlas import Atlas, Place
    from support.fixtures import MakeNamespace

AZURE_ENDPOINT = (
    "/subscriptions/4e133d35-e734-4385-a565-c0945567ae34/resourceGroups/rg"
    "/providers/Microsoft.Network/privateEndpoints/pe"
)


ALL = "--set=rbac.secretNames={atlas-credentials}"
RIGHTS = {"ServiceAccount", *ROLES, *BINDINGS}


def give(control_plane: ControlPlane, helm: Helm, home: str, *flags: str) -> list[dict[str, Any]]:
    """Give an account in a namespace the rights that the chart gives it, and nothing else of what is installed."""
    rights = [each for each in documents(helm.template(*flags, namespace=home)) if each["kind"] in RIGHTS]
    control_plane.kubectl("apply", "--server-side", "--filename=-", stdin=yaml.safe_dump_all(rights))
    return rights


@pytest.fixture
def api(control_plane: ControlPlane) -> Iterator[Proxy]:
    """The way to the API server, on which a write meets a changed object when a test wants it to."""
    with Proxy(control_plane.url, ca=control_plane.ca) as proxy:
        yield proxy


@pytest.mark.usefixtures("crd")
@pytest.mark.parametrize(
    "everywhere",
    [
        pytest.param(False, id="for some namespaces", marks=pytest.mark.gate),
        pytest.param(True, id="for the whole cluster"),
    ],
)
def test_each_right_is_used_and_none_is_missed(
    *,
    everywhere: bool,
    control_plane: ControlPlane,
    atlas: Atlas,
    places: Iterator[Place],
    group: ServerGroup,
    make_namespace: MakeNamespace,
    helm4: Helm,
    api: Proxy,
    tmp_path: Path,
) -> None:
    home, *served = (make_namespace() for _ in range(3))
    names = ",".join(served)
    # In the whole cluster there are resources of other tests.
    scope: dict[str, Any] = {"label_selector": f"served-by={home}"}
    if not everywhere:
        scope = {"namespaces": names, "outputs": "true"}
    flags = () if everywhere else (f"--set=watchNamespaces={{{names}}},outputs.enabled=true",)
    rights = give(control_plane, helm4, home, ALL, *flags)
    user = f"system:serviceaccount:{home}:{NAME}"

    def start(name: str) -> OperatorProcess:
        return OperatorProcess.start(
            group,
            tmp_path,
            kubeconfig=api.kubeconfig(control_plane.kubeconfig_for(home, NAME), tmp_path / f"{name}.kubeconfig"),
            atlas_url=atlas.url,
            name=name,
            leader_elect="true",
            lease_namespace=home,
            sync_interval="2s",
            **scope,
        )

    def used(namespace: str) -> set[tuple[str, str]]:
        return {(each.resource, each.verb) for each in deeds(control_plane, user) if each.namespace == namespace}

    first = start("first")
    labels = {"served-by": home}
    tenants = [Resources(control_plane, each, labels) for each in served]
    others = [
        {
            kind: Resources(control_plane, each, labels, names=SUBJECTS[kind].KIND.names)
            for kind in KINDS
            if kind != SERVERLESS
        }
        for each in served
    ]
    for kind in (ACK, ASO, ADDRESS, FORWARDING_RULE, PROJECT):
        clouds.install(control_plane, kind)
    for tenant, of_others in zip(tenants, others, strict=True):
        tenant.secret()
        here, nowhere, poor = next(places), next(places), next(places).spec()
        tenant.create("orders", here.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one"))
        tenant.create("lost", {**nowhere.spec(), "endpointId": "f" * 24})
        del poor["credentialsSecretRef"]
        tenant.create("reserved", next(places).reserving())
        tenant.create("poor", poor)
        refer(tenant, places)
        if not everywhere:
            hand_over(control_plane, tenant, next(places))
        tenant.wait_reason("reserved", "WaitingForCloudEndpoint")
        tenant.wait_ready("orders")
        tenant.wait_reason("lost", "EndpointNotFound")
        tenant.wait_reason("poor", "CredentialsInvalid")
        connect(of_others, places)
        for of_kind, resources in {SERVERLESS: tenant, **of_others}.items():
            meet_a_conflict(api, resources, SUBJECTS[of_kind].KIND.names.plural)
            right, where = (SUBJECTS[of_kind].KIND.names.plural, "get"), tenant.namespace
            wait_until(lambda right=right, where=where: right in used(where), "a read after it")  # type: ignore[misc]
    second = start("second")
    assert first.stop() == 0
    for tenant in tenants:
        tenant.edit("orders", comment="last")
        tenant.wait_ready("orders")
    assert second.stop() == 0

    done = deeds(control_plane, user)
    assert [each for each in done if each.code == 403] == []
    assert {each.verb for each in done if each.resource == "secrets"} == {"get"}
    if not everywhere:
        assert {each.namespace for each in done if each.resource} == {home, *served}
        assert not may_read_secrets(control_plane, user, make_namespace())
    used_anywhere = {(each.resource, each.verb) for each in done}
    unused = {
        right
        for right in granted(rights)
        if (right.resource, right.verb) not in (used(right.namespace) if right.namespace else used_anywhere)
    }
    assert unused == set()
    for resources in (*tenants, *(each for of_others in others for each in of_others.values())):
        resources.close()


def may_read_secrets(control_plane: ControlPlane, user: str, namespace: str) -> bool:
    question = ("auth", "can-i", "get", "secrets", f"--as={user}", f"--namespace={namespace}")
    return control_plane.kubectl(*question, check=False).stdout.strip() != "no"


RESOURCES = "/apis/atlas-endpoints.dev/v1alpha1/namespaces/{}/serverlessprivateendpoints"
GARBAGE = [{"apiVersion": "v1", "kind": "ConfigMap", "name": "nobody", "uid": "00000000-0000-0000-0000-000000000000"}]
"""With an owner that is not there, the garbage collector deletes an object."""
APPLY = {"Content-Type": "application/apply-patch+yaml"}


@pytest.mark.usefixtures("crd")
def test_with_the_operator_s_token_a_resource_is_changed_and_neither_made_nor_deleted_nor_moved_in_atlas(
    control_plane: ControlPlane, places: Iterator[Place], make_namespace: MakeNamespace, helm4: Helm
) -> None:
    """What the threat model says of who has stolen it."""
    home, tenant = make_namespace(), make_namespace()
    give(control_plane, helm4, home, ALL)
    victims = Resources(control_plane, tenant, {})
    victims.create("orders", next(places).spec())
    token = control_plane.kubectl("create", "token", NAME, f"--namespace={home}").stdout.strip()
    names = {"apiVersion": "atlas-endpoints.dev/v1alpha1", "kind": "ServerlessPrivateEndpoint"}
    stranger = {**names, "metadata": {"name": "another"}, "spec": next(places).spec()}
    path = RESOURCES.format(tenant)
    orders = f"{path}/orders"

    with control_plane.client(token) as thief:

        def merge(url: str, **change: Any) -> int:
            return thief.patch(url, content=json.dumps(change), headers=MERGE).status_code

        assert merge(orders, spec={"cloudProviderEndpointId": "vpce-" + "f" * 17, "deletionPolicy": "Delete"}) == 200
        assert merge(orders, spec={"credentialsSecretRef": {"name": "another"}}) == 200
        assert merge(orders, metadata={"ownerReferences": GARBAGE}) == 200
        assert merge(f"{orders}/status", status={"resolved": {"projectId": "f" * 24}}) == 200
        for field, value in {"projectId": "f" * 24, "instanceName": "another", "providerName": "AZURE"}.items():
            assert merge(orders, spec={field: value}) == 422, field

        assert thief.post(path, json=stranger).status_code == 403
        query = "?fieldManager=thief"
        assert thief.patch(f"{path}/another{query}", content=json.dumps(stranger), headers=APPLY).status_code == 403
        assert thief.delete(orders).status_code == 403
        assert thief.delete(path).status_code == 403
        assert thief.get(f"/api/v1/namespaces/{tenant}/secrets").status_code == 403
        assert merge(f"/api/v1/namespaces/{tenant}/secrets/atlas-credentials", data={}) == 403
        assert merge(f"/api/v1/namespaces/{tenant}", metadata={"labels": {"a": "b"}}) == 403
        assert merge(f"/api/v1/namespaces/{tenant}/configmaps/site", data={}) == 403


def hand_over(control_plane: ControlPlane, tenant: Resources, place: Place) -> None:
    """Have a ConfigMap be created, and put right after somebody has changed it."""
    tenant.create("outputs", place.spec(outputConfigMapRef={"name": "outputs"}))
    path = f"/api/v1/namespaces/{tenant.namespace}/configmaps/outputs"
    with control_plane.client() as http:
        wait_until(lambda: http.get(path).is_success, "a ConfigMap")
        patch = json.dumps({"data": {"endpointId": "another"}})
        http.patch(path, content=patch, headers=MERGE).raise_for_status()
        wait_until(lambda: http.get(path).json()["data"]["endpointId"] == place.endpoint, "its own value")


def refer(tenant: Resources, places: Iterator[Place]) -> None:
    """Have resources wait for an object of each kind that they may refer to."""
    for kind in (ACK, ASO):
        name = kind["kind"].lower()
        tenant.create(name, next(places).spec(cloudProviderEndpointRef={**kind, "name": "nowhere"}))
        tenant.wait_reason(name, "WaitingForCloudEndpoint")
    placed = next(places).spec(projectRef={"name": "nowhere"})
    del placed["projectId"]
    tenant.create("placed", placed)
    tenant.wait_reason("placed", "ReferenceNotReady")
    address = {"privateEndpointIpAddressFrom": {"configMapKeyRef": {"name": "nowhere", "key": "address"}}}
    azure = {**next(places).spec(), "providerName": "AZURE", "cloudProviderEndpointId": AZURE_ENDPOINT, **address}
    tenant.create("azure", azure)
    tenant.wait(
        "azure", lambda body: (condition(body, "ReferencesResolved") or {}).get("reason") == "NotFound", says="read"
    )


def connect(of_kinds: Mapping[str, Resources], places: Iterator[Place]) -> None:
    """Have an endpoint of each kind that goes with its resource, and those of dedicated clusters that other objects name."""
    connect_clusters(of_kinds[DEDICATED], next(places), next(places))
    for kind in of_kinds.keys() - {DEDICATED}:
        named = {**SUBJECTS[kind].NAMED, "deletionPolicy": "Delete"}
        place = {STREAM: StreamPlace, REGIONAL_MODE: RegionalModePlace}.get(kind, DedicatedPlace)
        of_kinds[kind].create("orders", place(next(places).project, "", "").spec(**named))
        of_kinds[kind].wait_ready("orders")


def connect_clusters(tenant: Resources, here: Place, there: Place) -> None:
    """Have an endpoint of dedicated clusters that goes with its resource, and one that other objects name."""
    ours = DedicatedPlace(here.project, "", "")
    tenant.create("orders", ours.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, deletionPolicy="Delete"))
    google = {"providerName": "GCP", "region": "us-central1", "gcp": {"projectId": "my-project-1"}}
    rule = {**FORWARDING_RULE, "name": "nowhere", "fieldPath": ".metadata.name"}
    address = {"objectRef": {**ADDRESS, "name": "nowhere"}}
    # One for each, since the operator reads the second reference when it has followed the first one.
    endpoints: dict[str, dict[str, Any]] = {
        "rule": {"cloudProviderEndpointRef": rule, "privateEndpointIpAddress": "10.0.0.4"},
        "address": {"cloudProviderEndpointId": "orders", "privateEndpointIpAddressFrom": address},
    }
    for name, endpoint in endpoints.items():
        tenant.create(name, DedicatedPlace(there.project, "", "").spec(**google, **endpoint))
    tenant.wait_ready("orders")
    for name in endpoints:
        tenant.wait_reason(name, "WaitingForCloudEndpoint")


def meet_a_conflict(api: Proxy, resources: Resources, plural: str) -> None:
    """Have the write of a status be refused, as if somebody had changed the resource at the same time."""
    path = f"/namespaces/{resources.namespace}/{plural}/orders/status"
    with api.breaking(Refusal(409, "Conflict"), verb="write", path=path, times=1) as fault:
        resources.edit("orders", **{"comment" if plural == "serverlessprivateendpoints" else "syncInterval": "7m"})
        assert fault.happened.wait(PATIENCE)
