"""Whether this replica leads: by a Lease, or because it is the only one."""

import asyncio
import logging
import os
from typing import NoReturn, TypeAlias

from atlas_endpoints.cluster.election import Elector
from atlas_endpoints.cluster.errors import LeadershipLostError

LOST = 4
"""The exit code of a replica that has lost its Lease."""

logger = logging.getLogger(__name__)


class SingleReplica:
    """The only replica, according to the settings. It leads; see ``Elector``."""

    def __init__(self) -> None:
        self.elected = asyncio.Event()
        self.decided = asyncio.Event()
        self.refusal: str | None = None
        self.elected.set()
        self.decided.set()

    def leads(self) -> bool:
        return True

    async def run(self) -> NoReturn:
        while True:
            await asyncio.Event().wait()

    async def release(self) -> None:
        """Do nothing."""


Leadership: TypeAlias = Elector | SingleReplica


async def hand_over(leadership: Leadership, *, settled_in: float, within: float) -> None:
    """Release the Lease when no write of this replica can arrive at Atlas any more, or else let it expire.

    Args:
        leadership: its ``run`` has ended.
        settled_in: seconds after which no write can arrive.
        within: seconds that are left.
    """
    if settled_in > within:
        logger.warning(
            "The Lease is not released, since a write without an answer may still arrive at Atlas. Another replica leads"
            " when the Lease has expired"
        )
        return
    await asyncio.sleep(settled_in)
    await leadership.release()


def exit_at_once(loss: LeadershipLostError) -> NoReturn:
    """End the process at once, as a crash would.

    Nothing is finished: a replica that has lost the Lease because the network is gone could wait for long, and may
    not write any more. The new process begins with the current state.
    """
    logger.critical("%s. The process exits and restarts as a standby", loss)
    logging.shutdown()
    os._exit(LOST)
