"""Long stories that mostly wait, told at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from faults.ground import Ground
    from faults.scale import Scale

Tale: TypeAlias = "Callable[[Ground, Scale], None]"
"""A test but for its name; the ways of its ground are its own."""


class AtOnce:
    """Tales under way, each in a thread of its own.

    Args:
        tales: by name.
        ground: what they stand on, each with ways of its own.
        scale: of their times.
    """

    def __init__(self, tales: Mapping[str, Tale], ground: Ground, scale: Scale) -> None:
        def tell(tale: Tale) -> None:
            with ground.apart() as own:
                tale(own, scale)

        self._pool = ThreadPoolExecutor(max(1, len(tales)), thread_name_prefix="tale")
        self._outcomes: dict[str, Future[None]] = {name: self._pool.submit(tell, tale) for name, tale in tales.items()}

    def outcome(self, name: str) -> None:
        """Wait for the end of a tale; it raises what the tale raised."""
        self._outcomes[name].result()

    def close(self) -> None:
        """Wait until all have ended."""
        self._pool.shutdown(wait=True, cancel_futures=True)
