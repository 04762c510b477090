"""What the resources of a cluster use, and what is asked about together."""

from datetime import UTC, datetime
from typing import Any

from atlas_endpoints.check.findings import failed, named, ok, passed, skipped, summary, warning
from atlas_endpoints.check.places import Instance, Place, places, survey
from atlas_endpoints.controller.cache import Key
from atlas_endpoints.reconcile.resource import CredentialsPlace
from support.named import NAMED

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def resource(name: str, *, namespace: str = "shop", annotations: dict[str, str] | None = None, **spec: Any) -> Any:
    return {
        **NAMED,
        "metadata": {
            "namespace": namespace,
            "name": name,
            "uid": name,
            "generation": 1,
            "resourceVersion": "1",
            "annotations": annotations or {},
        },
        "spec": {
            "projectId": "5f" * 12,
            "instanceName": "shop",
            "providerName": "AWS",
            "endpointId": "a1" * 12,
            **spec,
        },
    }


def test_what_resources_use_is_reported_in_the_order_of_their_names() -> None:
    found = survey([resource("b", credentialsSecretRef={"name": "own"}), resource("a", providerName="AZURE")], NOW)

    assert [(str(use.resource), use.credentials, use.provider) for use in found.uses] == [
        ("shop/a", CredentialsPlace("shop", None), "AZURE"),
        ("shop/b", CredentialsPlace("shop", "own"), "AWS"),
    ]
    assert [str(each) for each in found.findings("in all namespaces")] == [
        "ok       2 resources in all namespaces, 1 instance of Atlas."
    ]


def test_what_is_suspended_terminating_or_cannot_be_read_is_left_out_and_reported() -> None:
    terminating = resource("going")
    terminating["metadata"]["deletionTimestamp"] = "2026-11-25T12:00:00Z"
    found = survey(
        [
            terminating,
            resource("asleep", suspend=True),
            resource("skipped", annotations={"atlas-endpoints.dev/reconcile-policy": "skip"}),
            resource("newer", tomorrow="never dies"),
            {**resource("empty"), "spec": None},
        ],
        NOW,
    )

    assert found.uses == []
    lines = [str(each) for each in found.findings("in shop")]
    assert lines[:3] == [
        "ok       5 resources in shop, 0 instances of Atlas.",
        "skipped  shop/asleep and shop/skipped are suspended: Atlas is not asked about them.",
        "skipped  shop/going is being deleted: Atlas is not asked about it.",
    ]
    assert lines[3].startswith("warning  shop/empty is left out, since its spec is not valid. spec: Required value")
    assert lines[4].startswith("warning  shop/newer is left out, since its spec is not valid. spec.tomorrow: unknown")


def test_a_project_reference_is_resolved_from_the_status() -> None:
    def referring(name: str, **more: Any) -> Any:
        body = resource(name, projectRef={"name": "orders"})
        return {**body, "spec": {each: value for each, value in body["spec"].items() if each != "projectId"}, **more}

    found = survey([referring("a", status={"resolved": {"projectId": "6f" * 12}}), referring("b")], NOW)

    assert [use.instance for use in found.uses] == [Instance("6f" * 12, "shop")]
    assert [str(each) for each in found.findings("in shop")] == [
        "ok       2 resources in shop, 1 instance of Atlas.",
        "warning  shop/b is left out, since spec.projectRef has not led to a project yet; its status says why.",
    ]


def test_what_no_operator_has_handled_is_reported_unless_it_is_new() -> None:
    def body(name: str, created: str, observed: int | None, **metadata: Any) -> Any:
        found = resource(name)
        status = {} if observed is None else {"status": {"observedGeneration": observed}}
        return {**found, "metadata": {**found["metadata"], "creationTimestamp": created, **metadata}, **status}

    old, new = "2026-11-25T11:59:50Z", "2026-11-25T11:59:51Z"
    found = survey(
        [
            body("edited", old, 1, generation=2),
            body("going", old, 1, generation=2, deletionTimestamp=old),
            body("handled", old, 1),
            body("new", new, -1),
            body("seen-by-nobody", old, -1),
            body("without-a-status", old, None),
        ],
        NOW,
    )

    assert str(found.findings("in shop")[-1]) == (
        "warning  No operator has handled the last edit of shop/edited, shop/going, shop/seen-by-nobody and 1 more yet, which"
        " takes even a busy one only seconds: is one running, and does it serve the namespace?"
    )


def test_a_cluster_without_resources_is_reported() -> None:
    assert [str(each) for each in survey([], NOW).findings("in a and b")] == [
        "ok       There is no resource in a and b."
    ]


def test_the_same_instance_by_the_same_credentials_is_one_place_whatever_secret_holds_them() -> None:
    found = survey(
        [
            resource("a", credentialsSecretRef={"name": "own"}),
            resource("b", credentialsSecretRef={"name": "own"}, providerName="AZURE"),
            resource("a", namespace="web", credentialsSecretRef={"name": "copy"}),
            resource("c", credentialsSecretRef={"name": "other"}),
            resource("d", credentialsSecretRef={"name": "own"}, instanceName="store"),
            resource("e", credentialsSecretRef={"name": "missing"}),
        ],
        NOW,
    )
    access = {
        CredentialsPlace("shop", "own"): ("one", "Secret/own of shop"),
        CredentialsPlace("web", "copy"): ("one", "Secret/copy of web"),
        CredentialsPlace("shop", "other"): ("two", "Secret/other of shop"),
    }

    assert places(found.uses, access.get) == [
        Place(
            "one",
            Instance("5f" * 12, "shop"),
            ("Secret/own of shop", "Secret/copy of web"),
            {
                "AWS": (Key("ServerlessPrivateEndpoint", "shop", "a"), Key("ServerlessPrivateEndpoint", "web", "a")),
                "AZURE": (Key("ServerlessPrivateEndpoint", "shop", "b"),),
            },
            (
                Key("ServerlessPrivateEndpoint", "shop", "a"),
                Key("ServerlessPrivateEndpoint", "shop", "b"),
                Key("ServerlessPrivateEndpoint", "web", "a"),
            ),
        ),
        Place(
            "two",
            Instance("5f" * 12, "shop"),
            ("Secret/other of shop",),
            {"AWS": (Key("ServerlessPrivateEndpoint", "shop", "c"),)},
            (Key("ServerlessPrivateEndpoint", "shop", "c"),),
        ),
        Place(
            "one",
            Instance("5f" * 12, "store"),
            ("Secret/own of shop",),
            {"AWS": (Key("ServerlessPrivateEndpoint", "shop", "d"),)},
            (Key("ServerlessPrivateEndpoint", "shop", "d"),),
        ),
    ]


def test_a_section_is_headed_by_what_it_is_about() -> None:
    instance = Instance("5f" * 12, "shop")
    users = tuple(Key("ServerlessPrivateEndpoint", "shop", name) for name in "abcde")

    assert Place("f", instance, ()).title == f"Project {'5f' * 12}, instance shop"
    assert Place("f", instance, (), {}, users).title == (
        f"Project {'5f' * 12}, instance shop, for shop/a, shop/b, shop/c and 2 more"
    )
    assert Place("f", None, ("Secret/s of shop",)).title == "Credentials: Secret/s of shop"


def test_names_are_joined_as_people_do() -> None:
    assert [named(list("abcde")[:number]) for number in range(6)] == [
        "",
        "a",
        "a and b",
        "a, b and c",
        "a, b, c and 1 more",
        "a, b, c and 2 more",
    ]


def test_a_line_is_one_line_whatever_was_found() -> None:
    assert str(failed("It says:\n\x1b[31mred\u202e")) == "failed   It says: [31mred"
    assert len(str(warning("x" * 10_000))) < 1600


def test_a_report_is_summed_up_and_fails_with_any_failure() -> None:
    good = [ok("a"), ok("b"), warning("c"), skipped("d")]

    assert passed(good)
    assert summary(good, 0.25) == "Result: nothing failed (2 ok, 1 skipped, 1 warning; 0.2 s)."
    assert not passed([*good, failed("e")])
    assert summary([failed("e")], 12) == "Result: something has to be done (1 failed; 12.0 s)."
