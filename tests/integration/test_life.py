"""Stories of the life of an endpoint that are told at the same time; those that need an Atlas or an operator of their own are elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration.life import deletions, reservations
from support.observed import Recorder
from support.resources import Resources
from support.scenes import Performance, Scene, Stage, Story, new_namespace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from control_plane import ControlPlane
    from support.atlas import Atlas, Place
    from support.operator_process import OperatorProcess

pytestmark = pytest.mark.gate

STORIES: dict[str, Story] = {**reservations.stories.table, **deletions.stories.table}


@pytest.fixture(scope="module")
def performance(
    *,
    request: pytest.FixtureRequest,
    control_plane: ControlPlane,
    atlas: Atlas,
    shared_operator: OperatorProcess,
    places: Iterator[Place],
) -> Iterator[Performance]:
    """All stories that were selected, under way."""
    recorder, stage = Recorder(control_plane), Stage(atlas, shared_operator)

    def scene(story: Story) -> Scene:
        labels = {"world": story.stage}
        resources = Resources(control_plane, new_namespace(control_plane), labels, recorder=recorder)
        resources.secret()
        return Scene(stage, next(places), resources, control_plane)

    performance = Performance({name: STORIES[name] for name in selected(request)}, scene)
    yield performance
    performance.close()
    recorder.stop()


def selected(request: pytest.FixtureRequest) -> list[str]:
    """Give the stories of this file that the run is about."""
    items = [each for each in request.session.items if isinstance(each, pytest.Function)]
    return [str(each.callspec.params["sentence"]) for each in items if each.path == request.path]


@pytest.mark.parametrize("sentence", STORIES)
def test_life(performance: Performance, sentence: str) -> None:
    performance.outcome(sentence)
