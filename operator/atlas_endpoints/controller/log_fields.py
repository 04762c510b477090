"""The fields of lines in the log, beside time, level, logger, message and traceback."""

from typing import TypedDict


class LogFields(TypedDict, total=False):
    """What ``extra`` of a line may hold; the name of a resource is ``resourceName``, since a record's name is its logger's."""

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
