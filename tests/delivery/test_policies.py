"""What `deploy/policies/` forbids in a namespace with its label, on the real API server, and what it lets through."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from atlas_endpoints.reconcile.resource import DELETION_ANNOTATIONS, ENDPOINT_ANNOTATION, FINALIZER
from control_plane.process import wait_until
from support.cases import KINDS, SERVERLESS, manifest
from support.concurrent_cases import NAME
from support.crd import crds
from support.deploy import POLICIES
from support.resources import MERGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from control_plane import ControlPlane
    from support.fixtures import MakeNamespace

LABEL = "atlas-endpoints.dev/enforce-deletion-policy"
OURS, MONGODB_S = DELETION_ANNOTATIONS
SPEC = "spec.deletionPolicy"
DELETE, RETAIN = {"spec": {"deletionPolicy": "Delete"}}, {"spec": {"deletionPolicy": "Retain"}}


def annotated(**values: str | None) -> dict[str, Any]:
    """Give a part of an object with the two annotations that override the spec."""
    names = {"ours": OURS, "mongodb_s": MONGODB_S}
    return {"metadata": {"annotations": {names[name]: value for name, value in values.items()}}}


class Collection:
    """The resources of a kind in a namespace, none of which an operator serves."""

    def __init__(self, api: httpx.Client, kind: str, namespace: str) -> None:
        self.namespace = namespace
        self._api = api
        self._kind = kind
        plural = crds()[kind]["spec"]["names"]["plural"]
        self._path = f"/apis/atlas-endpoints.dev/v1alpha1/namespaces/{namespace}/{plural}"
        self.path = f"{self._path}/{NAME}"

    def create(self, parts: dict[str, Any], *, only_try: bool = False) -> httpx.Response:
        """Create a resource with parts of metadata and spec; ``only_try``: nothing is stored."""
        body = manifest("AWS", parts.get("spec"), kind=self._kind, name=NAME)
        body["metadata"] |= parts.get("metadata", {})
        return self._api.post(self._path, json=body, params={"dryRun": "All"} if only_try else {})

    def patch(self, patch: dict[str, Any]) -> httpx.Response:
        """Apply a merge patch to the resource."""
        return self._api.patch(self.path, content=json.dumps(patch), headers=MERGE)


@pytest.fixture(scope="module")
def api(control_plane: ControlPlane, crd: str) -> Iterator[httpx.Client]:
    """The API server of a cluster with the policies."""
    applied = control_plane.kubectl("apply", "--server-side", "--validate=strict", "-k", str(POLICIES))
    assert not applied.stderr, applied.stderr
    with control_plane.client() as client:
        yield client
    control_plane.kubectl("delete", "-k", str(POLICIES))


def guard(control_plane: ControlPlane, api: httpx.Client, namespace: str) -> None:
    """Label a namespace against `Delete`."""
    label(control_plane, api, namespace, f"{LABEL}=Retain", DELETE)


def label(control_plane: ControlPlane, api: httpx.Client, namespace: str, label: str, refused: dict[str, Any]) -> None:
    """Label a namespace, and wait until the API server knows: it reads policies and labels a moment later."""
    control_plane.kubectl("label", "namespace", namespace, label)
    probe = Collection(api, SERVERLESS, namespace)
    wait_until(lambda: not probe.create(refused, only_try=True).is_success, "the policy to work")


@pytest.fixture(scope="module")
def guarded(control_plane: ControlPlane, api: httpx.Client, namespace: str) -> str:
    """A namespace with the label."""
    guard(control_plane, api, namespace)
    return namespace


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def refused_field(answer: httpx.Response) -> str | None:
    """Return the field that the policy names in its refusal; None: it has let the request through."""
    if answer.is_success:
        return None
    assert answer.status_code == 403, answer.text
    field, _, remedy = answer.json()["message"].partition("denied request: ")[2].partition(": ")
    assert remedy.startswith(f"must be Retain, because the label {LABEL} of the namespace ")
    assert remedy.endswith("; set Retain, or remove it")
    return str(field)


IN_OURS, IN_MONGODB_S = (f"metadata.annotations[{name}]" for name in DELETION_ANNOTATIONS)
NEW: dict[str, tuple[dict[str, Any], str | None]] = {
    "nothing": ({}, None),
    "Retain": (RETAIN, None),
    "Delete": (DELETE, SPEC),
    "other annotations": ({"metadata": {"annotations": {"example.com/team": "orders"}}}, None),
    "an annotation Retain": (annotated(ours="Retain"), None),
    "an annotation Delete": (annotated(ours="Delete"), IN_OURS),
    "an annotation with blanks and another letter case": (annotated(ours="\t dELETE \n"), IN_OURS),
    "an annotation with blanks that Unicode alone calls so": (annotated(ours="\u2003Delete\u00a0"), IN_OURS),
    "an annotation with a separator, which Python calls a blank": (annotated(ours="\x1fDelete"), IN_OURS),
    "an annotation with a misspelt word": (annotated(ours="Retian"), IN_OURS),
    "an empty annotation": (annotated(ours=""), IN_OURS),
    "MongoDB's annotation keep": (annotated(mongodb_s=" Keep "), None),
    "MongoDB's annotation delete": (annotated(mongodb_s="delete"), IN_MONGODB_S),
    "MongoDB's annotation with our word": (annotated(mongodb_s="DELETE"), IN_MONGODB_S),
    "an annotation that overrides the spec to Retain": (DELETE | annotated(ours="Retain"), None),
    "an annotation that overrides the spec to Delete": (RETAIN | annotated(ours="Delete"), IN_OURS),
    "an annotation that overrides MongoDB's to Retain": (annotated(ours="Retain", mongodb_s="delete"), None),
    "an annotation that overrides MongoDB's to Delete": (annotated(ours="Delete", mongodb_s="keep"), IN_OURS),
}
"""What a new resource has, and the field that is refused."""


@pytest.mark.parametrize("case", NEW)
def test_a_new_resource_with(case: str, kind: str, api: httpx.Client, guarded: str) -> None:
    parts, field = NEW[case]

    assert refused_field(Collection(api, kind, guarded).create(parts, only_try=True)) == field


EDITED: dict[str, tuple[dict[str, Any], list[tuple[dict[str, Any], str | None]]]] = {
    "Retain, to Delete": ({}, [(DELETE, SPEC), (annotated(ours="delete"), IN_OURS)]),
    "Delete, in other ways": (
        DELETE,
        [
            ({"spec": {"syncInterval": "5m"}}, None),
            ({"metadata": {"finalizers": [FINALIZER]}}, None),
            ({"metadata": {"finalizers": None}}, None),
            (annotated(mongodb_s="delete"), None),
        ],
    ),
    "Delete, to Retain and not back": (DELETE, [(RETAIN, None), (DELETE, SPEC)]),
    "Delete, to the default and not back": (DELETE, [({"spec": {"deletionPolicy": None}}, None), (DELETE, SPEC)]),
    "Delete, overridden by an annotation that has to stay": (
        DELETE,
        [(annotated(ours="Retain"), None), (annotated(ours=None), SPEC), (RETAIN, None), (annotated(ours=None), None)],
    ),
    "an annotation that means nothing, which may stay and not become Delete": (
        annotated(ours="Retian"),
        [({"spec": {"syncInterval": "5m"}}, None), (annotated(ours="Delete"), IN_OURS)],
    ),
}
"""What a resource had before the namespace got the label, and each edit afterwards with the field that is refused."""


@pytest.mark.parametrize("case", EDITED)
def test_a_resource_that_had(
    case: str, kind: str, control_plane: ControlPlane, api: httpx.Client, make_namespace: MakeNamespace
) -> None:
    before, edits = EDITED[case]
    namespace = make_namespace()
    collection = Collection(api, kind, namespace)
    assert collection.create(before).is_success
    guard(control_plane, api, namespace)

    assert [refused_field(collection.patch(edit)) for edit, _ in edits] == [field for _, field in edits]


def test_a_resource_that_is_being_deleted_can_be_let_go(
    kind: str, control_plane: ControlPlane, api: httpx.Client, make_namespace: MakeNamespace
) -> None:
    """To Retain, which is a remedy of a blocked deletion, and without its finalizer."""
    namespace = make_namespace()
    collection = Collection(api, kind, namespace)
    assert collection.create({**DELETE, "metadata": {"finalizers": [FINALIZER]}}).is_success
    guard(control_plane, api, namespace)
    assert api.delete(collection.path).is_success

    assert refused_field(collection.patch(annotated(ours="Retain"))) is None
    assert refused_field(collection.patch(annotated(ours="Delete"))) == IN_OURS
    assert collection.patch({"metadata": {"finalizers": None}}).is_success
    assert api.get(collection.path).status_code == 404


ALLOWED, OTHER = "5f" * 12, "6a" * 12
OF = {name: {"spec": {"projectId": name}} for name in (ALLOWED, OTHER)}
BY_REFERENCE = {"spec": {"projectId": None, "projectRef": {"name": "shop"}}}


def test_a_namespace_has_the_projects_that_it_lists(
    kind: str, control_plane: ControlPlane, api: httpx.Client, make_namespace: MakeNamespace
) -> None:
    listed, empty, before = (Collection(api, kind, make_namespace()) for _ in range(3))
    assert before.create(OF[OTHER]).is_success
    projects = f"{'7b' * 12} {ALLOWED}"
    control_plane.kubectl("annotate", "namespace", listed.namespace, f"atlas-endpoints.dev/allowed-projects={projects}")
    for each in (listed, empty, before):
        label(control_plane, api, each.namespace, "atlas-endpoints.dev/enforce-projects=Listed", BY_REFERENCE)

    wait_until(lambda: listed.create(OF[ALLOWED], only_try=True).is_success, "the annotation to be known")
    assert empty.create(OF[ALLOWED], only_try=True).status_code == 403
    assert listed.create(OF[OTHER], only_try=True).status_code == 403
    message = listed.create(BY_REFERENCE, only_try=True).json()["message"]
    assert "spec.projectRef: use projectId with one of the projects" in message
    assert f"({projects})" in message
    assert before.patch({"spec": {"syncInterval": "5m"}}).is_success
    assert api.delete(before.path).is_success


def test_the_operator_s_token_changes_no_spec(
    kind: str, control_plane: ControlPlane, api: httpx.Client, make_namespace: MakeNamespace
) -> None:
    namespace = make_namespace()
    assert Collection(api, kind, namespace).create({}).is_success
    account = "system:serviceaccount:atlas-endpoints:atlas-endpoints"
    someone = {"Impersonate-User": account, "Impersonate-Group": "system:masters"}
    with control_plane.client() as client:
        client.headers.update(someone)
        operator = Collection(client, kind, namespace)
        spec = {"spec": {"suspend": True}}

        wait_until(lambda: operator.patch(spec).status_code == 403, "the policy to work")
        owner = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": "nowhere",
            "uid": "6f1f0d7e-4c0e-4a43-9a53-5f3a3b0c9f10",
        }
        for metadata in ({"labels": {"a": "b"}}, {"ownerReferences": [owner]}, annotated(ours="Delete")["metadata"]):
            assert operator.patch({"metadata": metadata}).status_code == 403
        assert operator.patch({"metadata": {"annotations": {ENDPOINT_ANNOTATION: "6a" * 12}}}).is_success
        assert operator.patch({"metadata": {"finalizers": [FINALIZER]}}).is_success
        assert operator.patch({"metadata": {"finalizers": None}}).is_success
        client.headers["Impersonate-User"] = "jane"
        assert operator.patch(spec).is_success


def test_a_namespace_without_the_label_decides_itself(
    kind: str, api: httpx.Client, guarded: str, make_namespace: MakeNamespace
) -> None:
    without_label, with_another_value = make_namespace(), make_namespace({LABEL: "Delete"})

    for namespace in (without_label, with_another_value):
        assert refused_field(Collection(api, kind, namespace).create(DELETE, only_try=True)) is None
