"""Logging: JSON for machines, text for people; few lines of kopf."""

import logging
import re
from typing import Any, Literal, TypeAlias

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter
from typing_extensions import override

from atlas_endpoints.controller.texts import printable
from atlas_endpoints.telemetry import work

LogFormat: TypeAlias = Literal["json", "text"]
RENAMED = {"levelname": "level", "name": "logger", "resourceName": "name"}
"""Attributes of a record with another name in a line."""

KOPFS = frozenset({"settings", "k8s_ref", "k8s_skip"})
"""Attributes that kopf adds to its records for itself: objects that are no JSON."""

LogLevel: TypeAlias = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


def configure(log_format: LogFormat, level: LogLevel) -> None:
    """Configure the root logger; call it once, before anything is logged."""
    handler = logging.StreamHandler()
    if log_format == "json":
        handler.setFormatter(
            _JsonFormatter(
                "%(levelname)s %(name)s %(message)s",
                timestamp=True,
                rename_fields=RENAMED,
                reserved_attrs=[*RESERVED_ATTRS, *KOPFS],
            )
        )
    else:
        handler.setFormatter(_TextFormatter())
    handler.addFilter(_add_work)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # kopf logs each event at INFO, and each attempt of a request at ERROR. ``cluster.reachability`` logs once that the
    # API server is unreachable; a forbidden request is worth a line.
    own = logging.getLevelNamesMapping()[level]
    logging.getLogger("kopf").setLevel(own if level == "DEBUG" else max(own, logging.WARNING))
    if level != "DEBUG":
        handler.addFilter(_is_wanted)
    # Below WARNING they log requests, headers and answers, which may contain Secrets. ``client`` is the logger of the
    # Kubernetes client.
    for noisy in ("httpx", "httpcore", "aiohttp", "aiohttp.access", "asyncio", "kubernetes", "client"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _add_work(record: logging.LogRecord) -> bool:
    """Add the fields of the task's work, or the resource of a line of kopf; the record's own fields win."""
    known, ref = work.current(), getattr(record, "k8s_ref", None)
    about = work.resource({"metadata": ref}) if ref is not None else {} if known is None else known.about
    for name, value in about.items():
        if not hasattr(record, name):
            setattr(record, name, value)
    return True


def _is_wanted(record: logging.LogRecord) -> bool:
    """Drop kopf's lines about failed requests and tasks, except the first request that is forbidden.

    ``cluster.watch`` logs once why kopf has ended; kopf itself logs a traceback for each task that ends with it.
    """
    if record.name == "asyncio":  # reports a task of kopf whose exception kopf did not retrieve
        return "/kopf/" not in record.getMessage()
    if not record.name.startswith("kopf"):
        return True
    message = record.getMessage()
    if " has failed: " in message:
        return False
    if not message.startswith("Request attempt #"):
        return True
    return message.startswith("Request attempt #1 ") and "APIForbiddenError" in message


def _flat(value: object) -> object:
    """Return the values of a mapping, separated by blanks."""
    return " ".join(str(each) for each in value.values()) if isinstance(value, dict) else value


class _Redacting(logging.Formatter):
    """Replaces secrets of Atlas and the headers that carry them, which a traceback may contain."""

    SECRET = re.compile(r"mdb_sa_sk_[^\s\"'\\\\]+|\bBearer [^\s\"'\\\\]{8,}|\bBasic [A-Za-z0-9+/=]{16,}")

    @override
    def format(self, record: logging.LogRecord) -> str:
        return self.SECRET.sub("***", super().format(record))


class _JsonFormatter(_Redacting, JsonFormatter):
    """One JSON object."""


class _TextFormatter(_Redacting):
    """One line: time, level, message, and other fields as ``key=value``."""

    STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"} | KOPFS

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    @override
    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line; only a traceback, which follows it, has more than one."""
        extra = {RENAMED.get(name, name): value for name, value in vars(record).items() if name not in self.STANDARD}
        facts = " ".join(f"{name}={_flat(value)}" for name, value in extra.items())
        return printable(super().formatMessage(record) + (f"  {facts}" if facts else ""))

    @override
    def formatException(self, ei: Any) -> str:
        return "\n".join(printable(line) for line in super().formatException(ei).split("\n"))
