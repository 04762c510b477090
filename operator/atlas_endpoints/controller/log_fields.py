"""The fields of log lines, beside time, level, logger, message and traceback."""

from typing import TypedDict


class LogFields(TypedDict, total=False):
    """The keys of ``extra``; a resource's name is ``resourceName``, since ``name`` is the logger's."""

    allowed: int
    atlas: str
    atlasRequest: object
    credentialsSource: str
    generation: int | None
    identity: str
    instance: str
    key: str
    kubernetes: str
    lease: str
    namespace: str
    probes: list[str]
    project: str
    ready: str
    reason: str
    reconcileID: str
    resourceName: str
    resources: int
    uid: str
    version: str
