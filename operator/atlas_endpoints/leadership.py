"""Whether this replica leads: by a Lease, or by agreement since it is the only one."""

import asyncio
import logging
import os
from typing import NoReturn, Protocol

from atlas_endpoints.cluster.errors import LeadershipLostError

LOST = 4
"""The exit code of a replica that has lost its Lease."""

logger = logging.getLogger(__name__)


class Leadership(Protocol):
    """See ``cluster.lease.Elector``.

    Attributes:
        elected: set when this replica leads; it stays so.
        decided: set once it was tried to lead, whatever came of it.
        refusal: why this replica cannot even stand by, if that is for a person to mend.
    """

    elected: asyncio.Event
    decided: asyncio.Event
    refusal: str | None

    def leads(self) -> bool:
        """Tell whether a write may begin now; asked right before each."""
        ...

    async def run(self) -> NoReturn:
        """Compete, and lead when elected.

        Raises:
            LeadershipLostError: this replica has led and must not do so any longer.
        """
        ...

    async def release(self) -> None:
        """Let go, as far as that goes within a moment, when nothing is under way any more."""
        ...


class Alone:
    """A replica that nobody competes with, so the user says."""

    def __init__(self) -> None:
        self.elected = asyncio.Event()
        self.decided = asyncio.Event()
        self.refusal: str | None = None
        self.elected.set()
        self.decided.set()

    def leads(self) -> bool:
        """Tell that it leads."""
        return True

    async def run(self) -> NoReturn:
        """Lead."""
        while True:
            await asyncio.Event().wait()

    async def release(self) -> None:
        """Nobody waits for it."""


async def hand_over(leadership: Leadership, *, settled_in: float, within: float) -> None:
    """Let go when nothing that this replica sent can arrive at Atlas any more, or else have the Lease run out.

    Args:
        leadership: whose ``run`` has ended.
        settled_in: seconds after which that is so.
        within: seconds that there are for it.
    """
    if settled_in > within:
        logger.warning(
            "The Lease is not released, since a write whose answer was lost may still arrive at Atlas; another replica"
            " leads when it has run out"
        )
        return
    await asyncio.sleep(settled_in)
    await leadership.release()


def end(loss: LeadershipLostError) -> NoReturn:
    """End the process on the spot, as a crash would.

    Nothing is finished and nobody is waited for: who has lost the Lease because the network is gone could wait for long,
    and what he would finish is no business of his any more. The new process begins with what is so now.
    """
    logger.critical("%s. The process ends, to start anew as a standby", loss)
    logging.shutdown()
    os._exit(LOST)
