"""The event loop that the operator runs on: uvloop, which is written in C, where there is one."""

import asyncio
import sys
from collections.abc import Callable

if sys.platform == "win32":
    new_event_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
else:
    from uvloop import new_event_loop

__all__ = ["new_event_loop"]
