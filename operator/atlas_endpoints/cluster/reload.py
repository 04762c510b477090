"""A configuration that stays current: tokens expire, in a Pod's files as well as in a kubeconfig."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from kubernetes.aio import client

logger = logging.getLogger(__name__)

RELOAD_POD, RELOAD_KUBECONFIG = 60.0, 300.0
"""Seconds after which the ServiceAccount's token, or a kubeconfig, is read again: tokens in them (or behind them) expire.
The kubelet renews a token long before; a kubeconfig may start a program to get one."""

RELOAD_REFUSED = 1.0
"""Seconds after which it is read again when the token was refused: it may have been replaced."""

RELOAD_WITHIN = 30.0
"""Seconds that this may take; calls whose token was refused wait for it."""

Load: TypeAlias = Callable[[client.Configuration], Awaitable[None]]
"""Reads a configuration from where it is kept."""


class Reload:
    """Reads a configuration again from time to time, before a call that needs its token, and one at a time.

    Args:
        load: reads it.
        seconds: between readings.
        monotonic: seconds that only grow.
    """

    def __init__(self, load: Load, seconds: float, monotonic: Callable[[], float]) -> None:
        self._load = load
        self._seconds = seconds
        self._monotonic = monotonic
        self._read = monotonic()
        self._reading: asyncio.Task[None] | None = None
        self._refused = False

    def attach(self, configuration: client.Configuration) -> None:
        """Have the client ask before each call."""
        configuration.refresh_api_key_hook = self  # type: ignore[assignment]  # typed as None, documented as a function

    def refused(self) -> None:
        """Take in that the token was refused: it is read again before the next call, unless that was done just now."""
        if self._reading is not None:
            self._refused = True
        elif self._monotonic() >= self._read + RELOAD_REFUSED:
            self._read, self._refused = -math.inf, True

    async def __call__(self, configuration: client.Configuration) -> None:
        """Read again, if it is time; what cannot be read now is tried again later, and the old token serves meanwhile.

        But once the token was refused, all wait for the new one.
        """
        if self._reading is None:
            if self._monotonic() < self._read + self._seconds:
                return
            self._read = self._monotonic()
            self._reading = asyncio.create_task(self._read_again(configuration), name="read the configuration again")
        elif not self._refused:
            return
        # Whoever gives up waiting must not take the token from the others.
        await asyncio.shield(self._reading)

    async def _read_again(self, configuration: client.Configuration) -> None:
        try:
            async with asyncio.timeout(RELOAD_WITHIN):
                await self._load(configuration)
        except Exception as error:  # noqa: BLE001  # files, YAML and programs fail in many ways, and none may end the call
            # Only the class: a parser's message quotes what it could not read, which may be a token.
            logger.warning("The configuration of the cluster could not be read again: %s", type(error).__name__)
        finally:
            self._reading, self._refused = None, False
            self.attach(configuration)
