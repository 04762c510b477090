"""Who waits for whom when there is more to do than workers: what a namespace costs the others, and an edit the routine work."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from behaviour.serverless import ENDPOINT, ServerlessSteps
from support.virtual_time import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from atlas_endpoints.atlas.requests import Request


class Steps(ServerlessSteps):
    """The resource ``db``, and others in some namespaces, ``each`` of which has so many: their writes are slow."""

    def __init__(self, *, workers: int = 16, each: int = 20) -> None:
        super().__init__()
        self._settings = self._settings.model_copy(update={"concurrency": workers})
        self.each = each
        self.of_others: list[str] = []

    def takes(self, request: Request) -> float:
        return 10.0 if request.writes and ENDPOINT not in request.path else 0.1

    async def rest(self, namespaces: Sequence[str], secrets: Sequence[str] = ()) -> None:
        """Let all be at rest."""
        for secret in secrets:
            self.secrets.put(secret, secret)
        for namespace in namespaces:
            for number in range(self.each):
                spec: dict[str, Any] = {"endpointId": f"{len(self.of_others):024x}", "comment": "one"}
                if secrets:
                    spec["credentialsSecretRef"] = {"name": secrets[number % len(secrets)]}
                self._put(spec["endpointId"], {"status": "AVAILABLE", "comment": "one"})
                self.of_others.append(f"{namespace}/{namespace}-{number}")
                self.create(spec, self.of_others[-1])
        await self.settle({"comment": "one"}, "")
        self.atlas.takes = self.takes

    async def burst(self) -> None:
        """Edit all in the other namespaces, and let the edits reach Atlas."""
        for name in self.of_others:
            self.edit({"comment": "two"}, name)
        await self.run("2s", "")

    async def edited(self) -> float:
        """Edit ``db``, and return the seconds until Atlas has it."""
        began = self.clock.monotonic()
        self.edit({"comment": "two"}, "db")
        await self.until("two")
        return self.clock.monotonic() - began

    async def until(self, comment: str, *, within: int = 600) -> None:
        """Wait until Atlas shows a comment of the endpoint of ``db``."""
        await self.wait_for(lambda: self.instance.endpoints[ENDPOINT].comment == comment, within=within)

    async def wait_for(self, is_so: Callable[[], bool], *, within: int) -> None:
        for _ in range(10 * within):
            if is_so():
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"not within {within} seconds")

    async def drifted(self) -> None:
        """Change all of the others' endpoints in Atlas, and wait until the first is corrected."""
        self.clear(None, "")
        for id_ in self.instance.endpoints.keys() - {ENDPOINT}:
            self._put(id_, {"comment": "by hand"})
        await self.wait_for(lambda: any(call.startswith("PATCH") for call in self.atlas.calls), within=900)

    def patched(self) -> int:
        """Return how many of the others' edits have reached Atlas."""
        return sum(each.comment == "two" for id_, each in self.instance.endpoints.items() if id_ != ENDPOINT)


@pytest.mark.parametrize("secrets", [1, 16])
@on_virtual_time
async def test_a_namespace_with_a_slow_atlas_delays_no_edit_of_another(secrets: int) -> None:
    """However many Secrets it has."""
    async with Steps().running() as steps:
        await steps.rest(["slow"], [f"slow-{number}" for number in range(secrets)])
        await steps.burst()
        assert await steps.edited() < 1
        assert steps.patched() < steps.each, "its edits were not done by then"


@on_virtual_time
async def test_slow_credentials_that_several_namespaces_share_delay_no_edit_with_others() -> None:
    async with Steps().running() as steps:
        await steps.rest(["a", "b", "c"], ["mine"])
        await steps.burst()
        assert await steps.edited() < 1


@on_virtual_time
async def test_while_several_namespaces_are_slow_an_edit_waits_for_one_turn_of_each() -> None:
    async with Steps().running() as steps:
        await steps.rest(["a", "b", "c"], [f"slow-{number}" for number in range(16)])
        await steps.burst()
        assert await steps.edited() < 35
        assert steps.patched() < 2 * steps.each


@on_virtual_time
async def test_an_edit_passes_routine_work_of_its_own_namespace() -> None:
    """Such as what is compared after a start, or in a resync that finds drift everywhere."""
    async with Steps().running() as steps:
        await steps.rest(["shop"])
        await steps.drifted()
        assert await steps.edited() < 1


@on_virtual_time
async def test_edits_without_end_do_not_hold_up_routine_work() -> None:
    """A tool that changes its resources over and over, and drift of another one."""
    steps = Steps(workers=4, each=4)
    async with steps.running():
        await steps.rest(["shop"])
        steps.endpoint({"comment": "by hand"}, "")

        async def edits() -> None:
            for number in itertools.count():
                for name in steps.of_others:
                    steps.edit({"comment": f"{number}"}, name)
                await asyncio.sleep(15)

        editing = asyncio.create_task(edits())
        await steps.until("one", within=900)
        editing.cancel()
