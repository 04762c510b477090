"""A single replica, the release of a Lease, and the exit after its loss."""

import asyncio
import subprocess
import sys

import pytest
from typing_extensions import override

from atlas_endpoints.process.leadership import LOST, SingleReplica, hand_over
from support.virtual_time import on_virtual_time


class Leader(SingleReplica):
    """Records when it is released."""

    released_at: float | None = None

    @override
    async def release(self) -> None:
        self.released_at = asyncio.get_running_loop().time()


@pytest.mark.parametrize(
    ("settled_in", "released_after"),
    [
        pytest.param(0.0, 0.0, id="nothing is on its way"),
        pytest.param(12.0, 12.0, id="a write whose answer was lost may still arrive: not before that is over"),
        pytest.param(15.0, None, id="that takes longer than there is time: the Lease has to run out"),
    ],
)
@on_virtual_time
async def test_the_lease_is_released_once_no_write_can_arrive_any_more(
    settled_in: float, released_after: float | None
) -> None:
    leader, began = Leader(), asyncio.get_running_loop().time()
    await hand_over(leader, settled_in=settled_in, within=14.0)
    assert leader.released_at == (None if released_after is None else began + released_after)


WITH_WORK_LEFT = """
import asyncio, atexit, logging, time
from atlas_endpoints.cluster.errors import LeadershipLostError
from atlas_endpoints.process.leadership import exit_at_once

async def main():
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 60)  # such as a name that is being looked up
    try:
        exit_at_once(LeadershipLostError("It is held by another"))
    finally:
        print("finished something")

atexit.register(print, "finished something")
logging.basicConfig()
asyncio.run(main())
"""


def test_a_replica_that_has_lost_the_lease_logs_that_and_exits_at_once() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WITH_WORK_LEFT], capture_output=True, text=True, timeout=100, check=False
    )
    assert ended.returncode == LOST
    assert "It is held by another. The process exits" in ended.stderr
    assert ended.stdout == ""
