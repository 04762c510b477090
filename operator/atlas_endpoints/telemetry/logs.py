"""Logging: JSON for machines, text for people; kopf's own chatter kept down."""

import logging
from typing import Literal, TypeAlias

from pythonjsonlogger.json import JsonFormatter
from typing_extensions import override

LogFormat: TypeAlias = Literal["json", "text"]
LogLevel: TypeAlias = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


def configure(log_format: LogFormat, level: LogLevel) -> None:
    """Set the root logger up; call it once, before anything is logged."""
    handler = logging.StreamHandler()
    if log_format == "json":
        handler.setFormatter(
            JsonFormatter(
                "%(levelname)s %(name)s %(message)s",
                timestamp=True,
                rename_fields={"levelname": "level", "name": "logger"},
            )
        )
    else:
        handler.setFormatter(_TextFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # kopf tells of each event at INFO, and of each try of a request at ERROR. That the API server is away is told by
    # ``cluster.reachability``, once; that something is forbidden is worth a line.
    own = logging.getLevelNamesMapping()[level]
    logging.getLogger("kopf").setLevel(own if level == "DEBUG" else max(own, logging.WARNING))
    if level != "DEBUG":
        handler.addFilter(_is_worth_a_line)
    for noisy in ("httpx", "httpcore", "aiohttp.access", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Leave out what kopf says of tries that fail, but for the first of what it may not do."""
    if not record.name.startswith("kopf"):
        return True
    message = record.getMessage()
    if not message.startswith("Request attempt #"):
        return True
    return message.startswith("Request attempt #1 ") and "APIForbiddenError" in message


class _TextFormatter(logging.Formatter):
    """One line: time, level, message, and what else is known as ``key=value``."""

    STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    @override
    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        extra = {name: value for name, value in vars(record).items() if name not in self.STANDARD}
        if not extra:
            return line
        first, *rest = line.split("\n")
        facts = " ".join(f"{name}={value}" for name, value in extra.items())
        return "\n".join([f"{first}  {facts}", *rest])
