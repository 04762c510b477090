"""A soak: see ``faults.soak``. ``make soak MINUTES=n`` runs the same for longer."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from faults.beside import Beside
from faults.soak import LIMIT, Course, Soak
from support.atlas import Atlas, seed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from control_plane.process import ServerGroup
    from faults.environment import Env, Scale


@pytest.fixture
def crowded_atlas(group: ServerGroup, tmp_path: Path) -> Iterator[Atlas]:
    atlas = Atlas.start(group, tmp_path, seed(10, endpoints=20))
    yield atlas
    atlas.close()


@pytest.mark.timeout(0)
def test_a_soak(env: Env, crowded_atlas: Atlas, scale: Scale) -> None:
    # With the interval that it has by default: a round would hide what was lost.
    operator, _ = env.start_behind(env.api, label="soak", atlas_url=crowded_atlas.url, concurrency=32)
    resources = env.resources("soak")
    beside = Beside(env.control_plane, resources, {"served-by": "soak"})
    soak = Soak(
        Course(seconds=scale.soak, rate=scale.rate),
        resources=resources,
        api=env.api,
        atlas=crowded_atlas,
        operator=operator,
        beside=beside,
    )

    summary = soak.run()
    beside.close()

    sys.stdout.write(f"\n{summary.told()}\n")
    assert summary.converged is not None, "\n".join(summary.astray[:10])
    assert summary.converged < LIMIT
    assert summary.repeated == []
    before_faults, after_faults = summary.made
    assert before_faults == after_faults
    assert [len(ids) for ids in after_faults.values()] == [1] * len(after_faults)
    # How many there are tells how busy the machine is; that there are many, that the rest proves something.
    assert summary.edits > 2 * scale.soak
    assert summary.patches > summary.edits / 3
    assert summary.faults.total() > scale.soak / 2
    assert summary.deaths == 0
    operator.server.check()
    before, after = summary.tasks
    assert after <= before + 3
    first, second = summary.memory
    assert second < first * 1.1 + 5
    operator.stop()
