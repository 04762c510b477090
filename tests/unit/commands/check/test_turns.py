"""The order in which places are asked about: no namespace keeps a check from the others."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.commands.check.interview import Place, Result
from atlas_endpoints.commands.check.report import Report, ok
from atlas_endpoints.commands.check.turns import ask_all
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from support.named import NAMED
from support.virtual_time import run

PROJECT = "5f" * 12
WITHIN = 120.0


def place(namespaces: Iterable[str], instance: str, credentials: str = "own") -> Place:
    resources = tuple(
        KIND.resource.parse(
            {
                **NAMED,
                "metadata": {"namespace": each, "name": "a", "uid": each, "generation": 1, "resourceVersion": "1"},
                "spec": {"projectId": PROJECT, "instanceName": instance, "providerName": "AWS"},
            }
        )
        for each in namespaces
    )
    return Place(KIND, Scope(credentials, PROJECT, KIND.names.kind, instance), (), resources)


@dataclass
class Asked:
    """What came of asking about places: their instances in order, the findings, and the most at once by credentials."""

    instances: list[str]
    lines: list[str]
    most: dict[str, int]
    passed: bool
    seconds: float


def asked(places: Sequence[Place], *, slow: float, hopeless: bool = False) -> Asked:
    """Ask about places; an answer takes 0.4 s, and one about an instance whose name begins with "slow" ``slow`` s."""
    lines: list[str] = []
    report = Report(lines.append)
    found = Asked([], lines, {}, passed=True, seconds=0.0)
    in_use: dict[str, int] = {}

    async def ask(each: Place) -> Result:
        pair = each.scope.credentials
        in_use[pair] = in_use.get(pair, 0) + 1
        found.most[pair] = max(found.most.get(pair, 0), in_use[pair])
        try:
            await asyncio.sleep(slow if each.scope.name.startswith("slow") else 0.4)
        finally:
            in_use[pair] -= 1
        found.instances.append(each.scope.name)
        return Result(KIND, (ok("answered"),), hopeless=hopeless)

    async def main() -> None:
        await ask_all(ask, places, report, within=WITHIN, until=WITHIN)
        found.seconds = asyncio.get_running_loop().time()

    run(main())
    found.passed = report.passed
    return found


def findings(found: Asked, word: str) -> list[str]:
    return [line for line in found.lines if line.startswith(word)]


QUICK = [place([f"shop-{number}"], f"quick-{number}") for number in range(60)]


def test_a_namespace_with_many_slow_instances_does_not_keep_the_others_from_their_turn() -> None:
    """With credentials that all share, which get one question after the other."""
    slow = [place(["a-slow"], f"slow-{number}") for number in range(5_000)]

    found = asked([*slow, *QUICK], slow=15.0)

    assert {f"quick-{number}" for number in range(60)} <= {*found.instances}
    assert found.most == {"own": 1}
    assert found.passed
    (line,) = findings(found, "skipped")
    count = sum(each.startswith("slow-") for each in found.instances)
    assert line.startswith(
        f"skipped  Namespace a-slow: There was no time for {5_000 - count} of 5000 places within 120 s: Project {PROJECT}, instance slow-"
    )
    assert line.endswith(" more. Check this namespace alone with --namespaces a-slow.")


def test_a_namespace_with_many_slow_credentials_takes_no_more_than_its_share() -> None:
    slow = [place(["a-slow"], f"slow-{number}", f"pair-{number}") for number in range(1_000)]
    quick = [place([f"shop-{number}"], f"quick-{number}", f"its-{number}") for number in range(60)]

    found = asked([*slow, *quick], slow=119.0)

    assert {f"quick-{number}" for number in range(60)} <= {*found.instances}
    assert found.passed


def test_a_namespace_with_many_slow_credentials_leaves_another_the_turns_of_all_its_places() -> None:
    slow = [place(["a-slow"], f"slow-{number}", f"pair-{number}") for number in range(1_000)]
    quick = [place(["shop"], f"quick-{number}") for number in range(30)]

    found = asked([*slow, *quick], slow=15.0)

    assert {f"quick-{number}" for number in range(30)} <= {*found.instances}


def test_if_all_are_asked_in_time_there_is_nothing_more_to_say() -> None:
    found = asked(QUICK, slow=0.0)

    assert (len(found.instances), found.passed) == (60, True)
    assert findings(found, "skipped") == []
    assert found.seconds < WITHIN


def test_a_place_of_several_namespaces_is_asked_about_once_and_in_the_turn_of_any_of_them() -> None:
    slow = [place(["a-slow"], f"slow-{number}") for number in range(5_000)]

    found = asked([*slow, place(["a-slow", "shop"], "shared")], slow=15.0)

    assert found.instances.count("shared") == 1


def test_namespaces_without_any_answer_fail_and_are_named_in_part() -> None:
    found = asked([place([f"n{number:02}"], f"slow-{number}") for number in range(30)], slow=1_000.0)

    failed = findings(found, "failed")
    assert not found.passed
    assert len(failed) == 21
    assert failed[0].startswith("failed   Namespace n00: There was no time for 1 of 1 places within 120 s")
    assert failed[-1] == "failed   There was no time for places of 10 more namespaces."


def test_refused_credentials_are_tried_once() -> None:
    found = asked(QUICK, slow=0.0, hopeless=True)

    assert len(found.instances) == 1
    assert findings(found, "skipped") == ["skipped  Not checked: see the failure of these credentials above."] * 59
