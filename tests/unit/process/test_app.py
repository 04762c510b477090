"""The operator as a process, as far as that needs no cluster; the rest is in tests/integration."""

import asyncio
import logging

import pytest

from atlas_endpoints.process.app import log_failure


async def test_the_failure_of_a_background_task_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> None:
        raise KeyError("broken")

    task = asyncio.create_task(broken(), name="events")
    task.add_done_callback(log_failure)
    await asyncio.wait({task})
    await asyncio.sleep(0)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "events" in record.getMessage()
    assert "KeyError" in caplog.text


async def test_a_cancelled_task_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    task = asyncio.create_task(asyncio.sleep(60, None))
    task.add_done_callback(log_failure)
    task.cancel()
    await asyncio.wait({task})
    await asyncio.sleep(0)
    assert caplog.records == []
