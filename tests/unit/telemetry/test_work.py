"""Lines of a task tell what it works on, and nothing of what another one does."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from atlas_endpoints.telemetry import logs, work
from support.named import NAMED

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger("atlas_endpoints.test")


@pytest.fixture(autouse=True)
def _root_logger_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def body(name: str) -> dict[str, Any]:
    return {**NAMED, "metadata": {"namespace": "shop", "name": name, "uid": f"uid-{name}", "generation": 3}}


async def passing(name: str) -> None:
    work.begin(work.reconcile_of(body(name)))
    logger.info("one")
    await asyncio.sleep(0)
    await asyncio.create_task(part())


async def part() -> None:
    logger.info("two", extra={"generation": 2, "reason": "Available"})


async def test_each_line_has_the_fields_of_its_own_reconcile(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "INFO")
    async with asyncio.TaskGroup() as both:
        for name in ("orders", "billing"):
            both.create_task(passing(name))
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    for name in ("orders", "billing"):
        one, two = [each for each in lines if each["name"] == name]
        assert (one["message"], two["message"]) == ("one", "two")
        assert one.items() >= {"namespace": "shop", "uid": f"uid-{name}", "generation": 3}.items()
        assert (two["generation"], two["reason"]) == (2, "Available"), "what a line itself says goes before"
        assert one["reconcileID"] == two["reconcileID"]
        assert one["logger"] == "atlas_endpoints.test"
    assert len({each["reconcileID"] for each in lines}) == 2
    logger.info("outside")
    (outside,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert set(outside) == {"timestamp", "level", "logger", "message"}


async def test_text_separates_values_by_blanks(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("text", "INFO")

    async def one() -> None:
        work.begin(work.resource(body("orders")))
        logger.info(
            "Done.", extra={"atlasRequest": {"method": "PATCH", "path": "/endpoint/{endpointId}", "status": 200}}
        )

    await asyncio.create_task(one())
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(
        "INFO    Done.  atlasRequest=PATCH /endpoint/{endpointId} 200 namespace=shop name=orders uid=uid-orders"
    )


@pytest.mark.parametrize(
    ("calls", "kept"),
    [
        pytest.param(["LIST", "GET"], "GET", id="of several reads the last"),
        pytest.param(["GET", "PATCH"], "PATCH", id="a write rather than the read before"),
        pytest.param(["PATCH", "GET"], "PATCH", id="a write rather than the read after"),
        pytest.param(["PATCH", "DELETE"], "DELETE", id="of several writes the last"),
    ],
)
def test_the_last_call_that_may_have_written_is_kept(calls: list[str], kept: str) -> None:
    current = work.Work({})
    for call in calls:
        current.requested({"method": "GET" if call == "LIST" else call, "call": call})
    assert current.request is not None
    assert current.request["call"] == kept
