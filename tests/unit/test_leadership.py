"""What leads without a Lease, and how a process ends that has lost its own."""

import subprocess
import sys

import pytest

from atlas_endpoints.leadership import LOST, Alone


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


@pytest.mark.timeout(50)
def test_who_has_lost_the_lease_ends_at_once_says_why_and_finishes_nothing() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WITH_WORK_LEFT], capture_output=True, text=True, timeout=40, check=False
    )
    assert ended.returncode == LOST
    assert "It is held by another. The process ends" in ended.stderr
    assert ended.stdout == ""
