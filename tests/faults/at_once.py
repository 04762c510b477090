"""Long cases that mostly wait, run at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from faults.environment import Env
    from faults.scale import Scale

Case: TypeAlias = "Callable[[Env, Scale], None]"
"""A test but for its name; the ways of its environment are its own."""


class AtOnce:
    """Cases under way, each in a thread of its own.

    Args:
        cases: by name.
        env: what they stand on, each with ways of its own.
        scale: of their times.
    """

    def __init__(self, cases: Mapping[str, Case], env: Env, scale: Scale) -> None:
        def run(case: Case) -> None:
            with env.apart() as own:
                case(own, scale)

        self._pool = ThreadPoolExecutor(max(1, len(cases)), thread_name_prefix="case")
        self._outcomes: dict[str, Future[None]] = {name: self._pool.submit(run, case) for name, case in cases.items()}

    def outcome(self, name: str) -> None:
        """Wait for the end of a case; it raises what the case raised."""
        self._outcomes[name].result()

    def close(self) -> None:
        """Wait until all have ended."""
        self._pool.shutdown(wait=True, cancel_futures=True)
