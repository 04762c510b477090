"""What a worker does with one piece of work, for a test that does it itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atlas_endpoints.core import Run


class Worker:
    """Takes the place of the workers; fits ``Core``'s ``around``.

    Attributes:
        run: does a piece of work, and raises what it fails with.
    """

    run: Run

    def __call__(self, run: Run) -> Run:
        self.run = run
        return run
