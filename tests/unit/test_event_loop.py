"""The event loop that the operator runs on."""

import asyncio
import sys

from atlas_endpoints.event_loop import new_event_loop


def test_where_there_is_a_loop_in_c_it_is_used() -> None:
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        loop = runner.get_loop()
    assert type(loop).__module__.startswith("asyncio" if sys.platform == "win32" else "uvloop")
