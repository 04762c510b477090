"""How places are asked about: with a pair of credentials one after the other, with several pairs at the same time."""

import asyncio
from collections.abc import Sequence

from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.commands.check.command import PAIRS_AT_ONCE, ask_all
from atlas_endpoints.commands.check.interview import Place, Result
from atlas_endpoints.commands.check.report import Report, ok
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from support.virtual_time import run

PROJECT = "5f" * 12


def place(instance: str, credentials: str = "own") -> Place:
    return Place(KIND, Scope(credentials, PROJECT, KIND.names.kind, instance))


def asked(places: Sequence[Place], *, hopeless: bool = False) -> tuple[list[str], float]:
    """Return the lines of the report and the seconds; each answer takes one."""
    lines: list[str] = []
    busy = set[str]()

    async def ask(each: Place) -> Result:
        assert each.scope.credentials not in busy
        busy.add(each.scope.credentials)
        await asyncio.sleep(1)
        busy.remove(each.scope.credentials)
        return Result((ok("answered"),), hopeless=hopeless)

    async def main() -> float:
        await ask_all(ask, places, Report(lines.append))
        return asyncio.get_running_loop().time()

    return lines, run(main())


def test_a_pair_gets_one_question_after_the_other_and_several_pairs_are_tried_at_once() -> None:
    pairs = [[place(f"i{each}", f"pair-{pair}") for each in range(3)] for pair in range(PAIRS_AT_ONCE)]

    lines, seconds = asked([each for pair in pairs for each in pair])

    assert lines.count("ok       answered") == 3 * PAIRS_AT_ONCE
    assert seconds == 3.0


def test_a_pair_with_many_places_leaves_another_its_turn() -> None:
    pairs = [f"pair-{pair}" for pair in range(PAIRS_AT_ONCE)]
    many = [place(f"i{number}", pair) for number in range(100) for pair in pairs]

    lines, _ = asked([*many, place("last", "another")])

    assert lines.index(f"\nProject {PROJECT}, instance last") < 50


def test_refused_credentials_are_tried_once() -> None:
    lines, seconds = asked([place(f"i{number}") for number in range(60)], hopeless=True)

    assert seconds == 1.0
    assert lines.count("skipped  Not checked: see the failure of these credentials above.") == 59
