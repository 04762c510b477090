"""The command `python -m demo.broken`, which `make demo-broken` calls: broken set-ups, one by one.

Each is shown as a person meets it, with one command of kubectl. A key press brings the explanation, which is that of
docs/reasons.md, and the remedy, and applies it. It ends with 0 only when each said what is expected, and was healed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from demo import story, troubleshooting
from demo.scene import PATIENCE, SERVED, VAULT, Scene, Team, world
from demo.set_ups import NOTHING, SET_UPS, SetUp
from demo.stage import UnexpectedError, perform
from demo.terminal import Keyboard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from demo.stage import Stage

SILENCE = 1.0
"""Seconds after which a resource that nobody serves is taken for one: those that are served say something sooner."""
HASTE = 2.5
"""Seconds without a person before something is healed: for 2, the operator believes what it has read of a Secret."""
LOOK = 0.1
"""Seconds between two looks at what is expected."""
EVENT = 3.0
"""Seconds that are given to the Event of a failure; it is a convenience, and goes on without it."""


def main() -> int:
    """Show the set-ups.

    Returns:
        0 each was as expected; 1 something was not; 130 interrupted.
    """
    parser = argparse.ArgumentParser(prog="demo.broken", description="Broken set-ups to explain and to heal.")
    parser.add_argument("--answers", action="store_true", help="show explanation and remedy at once")
    answers = parser.parse_args().answers
    keyboard = Keyboard(sys.stdin) if sys.stdin.isatty() and sys.stdout.isatty() and not answers else None
    return perform(lambda stage: _show_all(stage, keyboard))


def _show_all(stage: Stage, keyboard: Keyboard | None) -> None:
    started = time.monotonic()
    teams = [Team(set_up.team, number) for number, set_up in enumerate(SET_UPS, start=1)]
    (selector,) = (f"{key}={value}" for key, value in SERVED.items())
    story.install(stage, world(teams), "--label-selector", selector)
    if keyboard is None:
        _show_at_once(stage, teams)
    else:
        _introduce(stage, teams)
        for set_up, team in zip(SET_UPS, teams, strict=True):
            _show(Scene(stage, team, stage.terminal, set_up.kind), set_up, keyboard)
    stage.stop_operator()
    stage.terminal.heading(f"{len(SET_UPS)} broken set-ups were as expected and are healed")
    stage.terminal.say(f"in {time.monotonic() - started:.0f} s")


def _show_at_once(stage: Stage, teams: list[Team]) -> None:
    """Have all happen at the same time, since each mostly waits, and tell it one by one."""
    drafts = [stage.terminal.draft() for _ in teams]
    pool = ThreadPoolExecutor(max_workers=len(teams))
    try:
        outcomes = [
            pool.submit(_show, Scene(stage, team, draft, set_up.kind), set_up, None)
            for team, draft, set_up in zip(teams, drafts, SET_UPS, strict=True)
        ]
        for draft, outcome in zip(drafts, outcomes, strict=True):
            try:
                outcome.result()
            finally:
                stage.terminal.show(draft)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # what still waits ends with the servers


def _introduce(stage: Stage, teams: list[Team]) -> None:
    """Say how to play, and give people what they need to heal the set-ups themselves."""
    stage.control_plane.kubectl("create", "namespace", VAULT)
    secrets = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": team.name, "namespace": VAULT},
            "stringData": {"clientId": team.client_id, "clientSecret": team.client_secret},
        }
        for team in teams
    ]
    stage.control_plane.kubectl(
        "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": secrets})
    )
    say = stage.terminal
    say.heading(f"{len(SET_UPS)} teams call, one after the other. What is wrong, and what heals it?")
    say.say(f"README.md and {troubleshooting.PAGE} are all you need. A key shows the answer; Ctrl-C ends.")
    say.say("You may look further, and heal it yourself, in another terminal:")
    say.output(f"export KUBECONFIG={stage.control_plane.kubeconfig}")
    say.output(f"alias kubectl={stage.kubectl_program}")
    say.output(f"kubectl -n {VAULT} get secret TEAM -o yaml  # the right credentials of a team")
    say.output(f"ls {stage.folder}/TEAM  # its manifests")
    say.output(f"tail -f {stage.operator_log}")
    say.say(f"Atlas is simulated at {stage.atlas.url}; what is to be done there, the answer does.")


def _show(scene: Scene, set_up: SetUp, keyboard: Keyboard | None) -> None:
    stage, say = scene.stage, scene.terminal
    say.heading(f"{scene.team.number} of {len(SET_UPS)}: the team {set_up.team} calls")
    say.say(f"“{set_up.call}”")
    scene.namespace()
    set_up.spoil(scene)
    expect(scene, set_up)
    scene.kubectl(*set_up.look)
    if keyboard is not None:
        say.say("What is wrong, and what heals it? Press a key for the answer.")
        keyboard.wait(stage.check)
    else:
        time.sleep(HASTE)
    _answer(scene, set_up)
    if is_healed(scene.resources(), goes=set_up.goes):
        say.good("ok: you have healed it")
        return
    try:
        set_up.heal(scene)
    except UnexpectedError:
        if keyboard is None:
            raise
        say.aside("You may have done that already; the demo waits for the result.")

    def heals() -> bool:
        time.sleep(LOOK)
        return is_healed(scene.resources(), goes=set_up.goes)

    stage.wait(heals, f"{set_up.team} to be healed", timeout=PATIENCE)
    scene.kubectl("get", scene.kind.short)
    say.good("ok: healed")


def expect(scene: Scene, set_up: SetUp) -> None:
    """Wait until the set-up says what is expected of it, and for its Event if one comes."""
    if set_up.heading == NOTHING:
        time.sleep(SILENCE)
    deviations: list[str] = []

    def is_as_expected() -> bool:
        time.sleep(LOOK)
        deviations[:] = deviate(set_up, scene.resources())
        return not deviations

    try:
        scene.stage.wait(is_as_expected, "", timeout=PATIENCE)
    except TimeoutError as error:
        raise UnexpectedError(f"{set_up.team}: {'; '.join(deviations)}") from error
    deadline = time.monotonic() + EVENT
    while set_up.heading != NOTHING and not _has_event(scene, set_up) and time.monotonic() < deadline:
        time.sleep(LOOK)


def _has_event(scene: Scene, set_up: SetUp) -> bool:
    return any(
        (event["involvedObject"]["name"], event["reason"]) == (set_up.speaker, set_up.heading)
        for event in scene.events()
    )


def _answer(scene: Scene, set_up: SetUp) -> None:
    say = scene.terminal
    told = troubleshooting.parts(set_up.heading)
    say.heading(f"{set_up.heading}: {set_up.answer}")
    say.say(f"{troubleshooting.anchor(set_up.heading)} says:")
    say.output(f"Means: {told['Means']}")
    if set_up.beside is not None:
        condition, reason = set_up.beside
        say.output(f"{condition}, {reason}: {troubleshooting.row(condition, reason)}")
    for part in ("You", "Healed"):
        say.output(f"{part}: {told[part]}")


def deviate(set_up: SetUp, resources: list[Any]) -> list[str]:
    """Return what of a team's resources is not as a set-up has it."""
    found = next((each for each in resources if each["metadata"]["name"] == set_up.speaker), None)
    if found is None:
        return [f"there is no resource {set_up.speaker}"]
    conditions = conditions_of(found)
    if set_up.heading == NOTHING:
        return [f"{set_up.speaker} has the condition {name}" for name in conditions]
    wanted = [("Ready", set_up.heading), *([set_up.beside] if set_up.beside else [])]
    deviations = [
        f"{name} of {set_up.speaker} says {conditions.get(name, {}).get('reason')}, not {reason}"
        for name, reason in wanted
        if conditions.get(name, {}).get("reason") != reason
    ]
    message = conditions.get("Ready", {}).get("message", "")
    if not deviations and set_up.message not in message:
        deviations.append(f"the message of {set_up.speaker} lacks “{set_up.message}”: {message}")
    return deviations


def is_healed(resources: list[Any], *, goes: bool) -> bool:
    """Return whether all of a team's resources are ready, and there are any unless the last one goes."""
    return bool(resources) != goes and all(
        conditions_of(each).get("Ready", {}).get("status") == "True"
        and each["status"]["observedGeneration"] == each["metadata"]["generation"]
        for each in resources
    )


def conditions_of(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return the conditions of a resource by their types."""
    return {each["type"]: each for each in resource.get("status", {}).get("conditions", [])}


if __name__ == "__main__":
    sys.exit(main())
