"""How a run of kopf ends, with nothing left of it, and why."""

import asyncio
from collections.abc import Collection
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import kopf

from atlas_endpoints.cluster.reachability import kind_of

KOPF = str(Path(kopf.__file__).parent)
"""Where kopf's code is, by which its tasks are found."""


async def end_of(tasks: Collection[asyncio.Task[None]]) -> BaseException | None:
    """Wait until one of kopf's root tasks ends, and end the others.

    ``kopf.operator`` does so too, and then waits 5 s for all other tasks of the loop and cancels them: the operator's own.

    Returns:
        Why it has ended; ``None`` when a watcher is missing.
    """
    try:
        done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _cancel(tasks)  # each of them ends what it has started, but for the calls of a discovery that failed
        await _cancel([task for task in asyncio.all_tasks() if _is_kopfs(task)])
    # All are asked, else asyncio would complain about those that nobody has asked.
    errors = [task.exception() for task in (*done, *rest) if not task.cancelled()]
    return next((error for error in errors if error is not None), None)


async def _cancel(tasks: Collection[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


def _is_kopfs(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and code.co_filename.startswith(KOPF)


def cause_of(error: BaseException | None) -> str:
    """Which call was refused, or which error it was, with nothing of the answer."""
    refusal = error.__cause__ if error is not None else None
    if not isinstance(refusal, aiohttp.ClientResponseError):
        return type(error).__name__ if error is not None else "a watcher is missing"
    request = refusal.request_info
    kind = kind_of(request.method, request.url.path, watch="watch" in request.url.query)
    return f"{kind}: HTTP {refusal.status}"


def is_passing(error: BaseException | None) -> bool:
    """Whether a refusal comes in the normal course of things: a version that is too old, a CRD that is replaced."""
    return getattr(error, "status", None) in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
