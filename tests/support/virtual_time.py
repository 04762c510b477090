"""An asyncio event loop on virtual time, for tests and explorations of code that sleeps, times out and backs off.

Time stands still while anything can run. When nothing can, it jumps to the next timer, so that hours pass in
microseconds and each run of a program is the same: callbacks run in the order in which they became due. When there is no
timer either, the program waits for what can never come, and that is a ``DeadlockError`` rather than a test that hangs.

Ways to use it, from the outside in:

- ``run(main())`` instead of ``asyncio.run(main())``;
- ``@on_virtual_time`` over a test that is a coroutine;
- ``VirtualTimeLoop`` as the loop factory of all tests and fixtures of a folder, in its ``conftest.py``::

      def pytest_asyncio_loop_factories() -> dict[str, Callable[[], AbstractEventLoop]]:
          return {"virtual-time": VirtualTimeLoop}

- ``loop.run_for(seconds)`` step by step, between which the world may be looked at and changed without a coroutine:
  ``run_for(0)`` lets everything happen that can happen now.

There is no input or output: sockets, subprocesses and threads (``run_in_executor``, ``getaddrinfo``) are never heard of.
"""

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, ParamSpec, Protocol, TypeVar

from typing_extensions import override

P = ParamSpec("P")
T = TypeVar("T")


class DeadlockError(RuntimeError):
    """Nothing is left that could run: what the program waits for can never come."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer as soon as nothing can run before it; it begins at 0."""

    def __init__(self) -> None:
        self._time = 0.0
        self._until: float | None = None
        super().__init__(_Waiting(self._wait))

    @override
    def time(self) -> float:
        return self._time

    def set_time(self, seconds: float) -> None:
        """Go to a time, forwards or backwards; nothing may be running or waiting for a time."""
        self._time = seconds

    def next_timer(self) -> float | None:
        """Return the time at which something is due next, or ``None``."""
        return min((timer.when() for timer in self._timers() if not timer.cancelled()), default=None)

    def drop_timers(self) -> None:
        for timer in list(self._timers()):
            timer.cancel()
        self._timers().clear()

    def _timers(self) -> list[asyncio.TimerHandle]:
        timers: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]  # asyncio's own
        return timers

    def run_for(self, seconds: float) -> None:
        """Let everything happen that is due within so many seconds from now; afterwards exactly these have passed.

        With 0 this is all that can happen before time moves on. That tasks are left which wait for ever is no error here.
        """
        self._until = self._time + seconds
        try:
            self.run_forever()
        finally:
            self._until = None

    def skip(self, seconds: float) -> None:
        """Let time pass in which nothing ran, as for a process that was stopped: whatever was due by now is late."""
        self._time += seconds

    def _wait(self, timeout: float | None) -> None:
        """Pass the time for which the loop has nothing to do: ``timeout`` seconds, or for ever."""
        if timeout == 0:
            return
        if self._until is not None and (timeout is None or self._time + timeout > self._until):
            self._time = self._until
            self.stop()
        elif timeout is None:
            raise DeadlockError(self._deadlock())
        else:
            self._time += timeout

    def _deadlock(self) -> str:
        waiting = sorted(f"  {task.get_name()} at {_suspended_at(task)}" for task in asyncio.all_tasks(self))
        return "\n".join([f"At {self._time:g} s nothing is left that could run. These tasks wait for ever:", *waiting])


class Timed(Protocol):
    """Has a time, as an event loop does."""

    def time(self) -> float: ...


class VirtualClock:
    """Both readings of a virtual time, as ``atlas_endpoints.controller.clock.Clock`` has them: they move as one.

    Args:
        loop: whose time it is.
        start: wall-clock time at the loop's second 0; with a time zone.

    Attributes:
        ahead: the error of the wall clock.
    """

    def __init__(self, loop: Timed, *, start: datetime = datetime(2026, 11, 25, 12, tzinfo=UTC)) -> None:
        self._loop = loop
        self._start = start
        self.ahead = timedelta(0)

    def monotonic(self) -> float:
        return self._loop.time()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._loop.time()) + self.ahead


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a loop of its own, as ``asyncio.run`` does, on virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


def on_virtual_time(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Have a test that is a coroutine run on a loop of its own on virtual time; its fixtures are no coroutines."""

    @functools.wraps(test)
    def whole_test(*args: P.args, **kwargs: P.kwargs) -> T:
        return run(test(*args, **kwargs))

    return whole_test


class _Waiting(selectors.SelectSelector):
    """Stands where a loop waits for input and output: nothing ever comes, and waiting is somebody else's decision."""

    def __init__(self, wait: Callable[[float | None], None]) -> None:
        super().__init__()
        self._wait = wait

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._wait(timeout)
        return []


def _suspended_at(task: asyncio.Task[Any]) -> str:
    """Return where a task waits: the innermost line of its own coroutines."""
    awaited: Any = task.get_coro()
    while (inner := getattr(awaited, "cr_await", None)) is not None and getattr(inner, "cr_frame", None) is not None:
        awaited = inner
    frame = getattr(awaited, "cr_frame", None)
    return (
        "an unknown place" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}, {awaited.__qualname__}"
    )
