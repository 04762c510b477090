"""Keep the client's configuration current: tokens expire, in a Pod's files as well as in a kubeconfig."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from kubernetes.aio import client

logger = logging.getLogger(__name__)

RELOAD_POD, RELOAD_KUBECONFIG = 60.0, 300.0
"""Seconds after which the ServiceAccount's token, or a kubeconfig, is read again; the latter may start a program."""

RELOAD_REFUSED = 1.0
"""Seconds after which it is read again when the token was refused: it may have been replaced."""

RELOAD_WITHIN = 30.0
"""Seconds for a reload. Calls whose token was refused wait for it."""

Load: TypeAlias = Callable[[client.Configuration], Awaitable[None]]
"""Reads a configuration from its source."""


class Reload:
    """The client's hook before each call: reads the configuration again when it is due, one reload at a time.

    Args:
        seconds: between reloads.
    """

    def __init__(self, load: Load, seconds: float, monotonic: Callable[[], float]) -> None:
        self._load = load
        self._seconds = seconds
        self._monotonic = monotonic
        self._loaded = monotonic()
        self._loading: asyncio.Task[None] | None = None
        self._refused = False

    def attach(self, configuration: client.Configuration) -> None:
        """Install this hook."""
        configuration.refresh_api_key_hook = self  # type: ignore[assignment]  # typed as None, documented as a function

    def refused(self) -> None:
        """Make a reload due before the next call, since the token was refused; not if one was made just now."""
        if self._loading is not None:
            self._refused = True
        elif self._monotonic() >= self._loaded + RELOAD_REFUSED:
            self._loaded, self._refused = -math.inf, True

    async def __call__(self, configuration: client.Configuration) -> None:
        """Reload if it is due. A failed reload is repeated later, and the old token is used meanwhile.

        After a refused token all calls wait for the reload.
        """
        if self._loading is None:
            if self._monotonic() < self._loaded + self._seconds:
                return
            self._loaded = self._monotonic()
            self._loading = asyncio.create_task(self._reload(configuration), name="read the configuration again")
        elif not self._refused:
            return
        await asyncio.shield(self._loading)  # a cancelled caller must not cancel it for the others

    async def _reload(self, configuration: client.Configuration) -> None:
        try:
            async with asyncio.timeout(RELOAD_WITHIN):
                await self._load(configuration)
        except Exception as error:  # noqa: BLE001  # files, YAML and programs fail in many ways, and none may end the call
            # Only the class: a parser's message quotes its input, which may hold a token.
            logger.warning("The configuration of the cluster could not be read again: %s", type(error).__name__)
        finally:
            self._loading, self._refused = None, False
            self.attach(configuration)
