"""Logs are lines for machines or for people, with the fields of each record and of its task."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import kopf
import pytest
from kopf._cogs.structs.bodies import Body
from kopf._core.actions.loggers import LocalObjectLogger

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


def test_json_has_one_object_a_line_with_the_extra_fields(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "INFO")

    logging.getLogger("atlas_endpoints.process.app").info(
        "Available", extra={"resource": "team/orders", "generation": 2}
    )

    record = json.loads(capsys.readouterr().err)
    assert record.pop("timestamp")
    assert record == {
        "level": "INFO",
        "logger": "atlas_endpoints.process.app",
        "message": "Available",
        "resource": "team/orders",
        "generation": 2,
    }


def test_text_appends_the_extra_fields_to_the_first_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("text", "INFO")

    try:
        int("broken")
    except ValueError:
        logging.getLogger("atlas_endpoints").exception("A reconcile failed", extra={"key": "team/orders"})

    first, second, *_ = capsys.readouterr().err.splitlines()
    assert first.endswith("ERROR   A reconcile failed  key=team/orders")
    assert second == "Traceback (most recent call last):"


@pytest.mark.parametrize(("level", "lines"), [("DEBUG", ["debug", "warning"]), ("INFO", ["warning"]), ("ERROR", [])])
def test_kopf_logs_below_warning_only_at_debug(
    level: logs.LogLevel, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("text", level)
    for name in ("debug", "warning"):
        getattr(logging.getLogger("kopf.objects"), name)(name)
    assert [line.split()[-1] for line in capsys.readouterr().err.splitlines()] == lines


def test_a_line_of_kopf_about_an_object_names_the_object_and_shows_nothing_else_of_kopf(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its records carry kopf's settings, which are no JSON."""
    metadata = {"namespace": "shop", "name": "db", "uid": "uid-db"}
    about: Any = {**NAMED, "metadata": metadata}
    told = LocalObjectLogger(body=Body(about), settings=kopf.OperatorSettings())
    logs.configure("json", "DEBUG")
    told.debug("Handler 'seen' is invoked.")
    logs.configure("text", "DEBUG")
    told.debug("Handler 'seen' is invoked.")

    first, second = capsys.readouterr().err.splitlines()
    record = json.loads(first)
    assert record.pop("timestamp")
    assert record == {
        "level": "DEBUG",
        "logger": "kopf.objects",
        "message": "Handler 'seen' is invoked.",
        **metadata,
    }
    assert second.endswith("DEBUG   Handler 'seen' is invoked.  namespace=shop name=db uid=uid-db")


def test_of_kopfs_failures_only_the_first_forbidden_request_is_logged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """That the API server is away, and why kopf has ended, is logged elsewhere, once."""
    logs.configure("text", "INFO")
    of_kopf = logging.getLogger("kopf._cogs.clients.api")

    for attempt in (1, 2):
        of_kopf.error(f"Request attempt #{attempt} failed; will retry: GET /apis -> ClientConnectorError()")
        of_kopf.error(f"Request attempt #{attempt} failed; will retry: GET /apis -> APIForbiddenError('no')")
    of_kopf.error("Watcher for endpoints@None has failed: APIClientError()")
    asyncio = logging.getLogger("asyncio")
    asyncio.error(
        "Task exception was never retrieved\nfuture: <Task coro=<_read() defined at /lib/kopf/_cogs/scanning.py:60>>"
    )
    asyncio.error("Task exception was never retrieved: one of ours")
    of_kopf.error("Something else")
    logging.getLogger("atlas_endpoints").error("Request attempt #2 is none of kopf's")

    told = [line.split("ERROR")[1].strip() for line in capsys.readouterr().err.splitlines()]
    assert told == [
        "Request attempt #1 failed; will retry: GET /apis -> APIForbiddenError('no')",
        "Task exception was never retrieved: one of ours",
        "Something else",
        "Request attempt #2 is none of kopf's",
    ]


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_control_characters_are_replaced(log_format: logs.LogFormat, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(log_format, "INFO")
    hostile = "a\nERROR forged\r\x1b[2J\u2028\u202eb\x9b"

    logging.getLogger("atlas_endpoints").info("%s", hostile, extra={"resource": hostile})
    logging.getLogger("atlas_endpoints").error("A reconcile failed", exc_info=ValueError(hostile))

    said = capsys.readouterr().err
    assert [line for line in said.split("\n") if not line.isprintable()] == []
    assert len([line for line in said.split("\n") if line.startswith(("20", "{"))]) == 2


def test_libraries_log_no_headers_and_no_bodies() -> None:
    """Level DEBUG is for people who look for a mistake, and they show their logs to others."""
    logs.configure("text", "DEBUG")

    for name in ("httpx", "httpcore", "aiohttp.access", "aiohttp.client", "asyncio", "kubernetes.aio", "client"):
        assert not logging.getLogger(name).isEnabledFor(logging.DEBUG), name


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_secret_in_a_traceback_is_redacted(log_format: logs.LogFormat, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(log_format, "DEBUG")
    said = "mdb_sa_sk_canary-4711", "Bearer eyJ.canary.4711", "Basic Y2FuYXJ5LTQ3MTE6Y2FuYXJ5"
    for each in said:
        logging.getLogger("kopf").debug("sent %r", each)
        logging.getLogger("atlas_endpoints").error("A reconcile failed", exc_info=KeyError(each))
    shown = capsys.readouterr().err
    assert shown.count("***") == 2 * len(said)
    assert "canary" not in shown
    assert "Y2Fu" not in shown
    if log_format == "json":
        assert [json.loads(line)["level"] for line in shown.splitlines()] == ["DEBUG", "ERROR"] * len(said)


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
