"""What leads without a Lease, and how a process ends that has lost its own."""

import asyncio
import subprocess
import sys

import pytest
from typing_extensions import override

from atlas_endpoints.leadership import LOST, Alone, hand_over
from support.virtual_time import on_virtual_time


async def test_who_is_alone_leads_from_the_start() -> None:
    alone = Alone()
    assert alone.leads()
    assert alone.elected.is_set()
    assert alone.decided.is_set()
    assert alone.refusal is None


async def test_who_is_alone_goes_on_leading_when_it_lets_go() -> None:
    """What is left to write at the end is still to be written."""
    alone = Alone()
    await alone.release()
    assert alone.leads()


class Leader(Alone):
    """Remembers when it has let go."""

    released_at: float | None = None

    @override
    async def release(self) -> None:
        self.released_at = asyncio.get_running_loop().time()


@pytest.mark.parametrize(
    ("settled_in", "lets_go_after"),
    [
        pytest.param(0.0, 0.0, id="nothing is on its way"),
        pytest.param(12.0, 12.0, id="a write whose answer was lost may still arrive: not before that is over"),
        pytest.param(15.0, None, id="that takes longer than there is time: the Lease has to run out"),
    ],
)
@on_virtual_time
async def test_a_leader_lets_go_when_nothing_of_it_can_arrive_any_more(
    settled_in: float, lets_go_after: float | None
) -> None:
    leader, began = Leader(), asyncio.get_running_loop().time()
    await hand_over(leader, settled_in=settled_in, within=14.0)
    assert leader.released_at == (None if lets_go_after is None else began + lets_go_after)


WITH_WORK_LEFT = """
import asyncio, atexit, logging, time
from atlas_endpoints.cluster.errors import LeadershipLostError
from atlas_endpoints.leadership import end

async def main():
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 60)  # such as a name that is being looked up
    try:
        end(LeadershipLostError("It is held by another"))
    finally:
        print("finished something")

atexit.register(print, "finished something")
logging.basicConfig()
asyncio.run(main())
"""


def test_who_has_lost_the_lease_ends_at_once_says_why_and_finishes_nothing() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WITH_WORK_LEFT], capture_output=True, text=True, timeout=100, check=False
    )
    assert ended.returncode == LOST
    assert "It is held by another. The process ends" in ended.stderr
    assert ended.stdout == ""
