"""Calls to Atlas as data. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote

from typing_extensions import override

from atlas_endpoints.atlas.errors import AtlasError, InvalidSpecError


class Scope(NamedTuple):
    """What one LIST covers, as seen with one pair of credentials; what one sees, another may not.

    Attributes:
        credentials: their fingerprint.
        project_id: 24 hexadecimal digits.
        kind: whose LIST it is.
        name: of what it covers within the project, such as a serverless instance.
    """

    credentials: str
    project_id: str
    kind: str
    name: str

    @override
    def __str__(self) -> str:
        """Return its name for the log, without its credentials."""
        return f"{self.project_id}/{self.name}"


@dataclass(frozen=True, slots=True)
class Refusals:
    """What refusals of a kind's calls mean, beside what those of all calls mean.

    Attributes:
        absent: the ends of the error codes that prove the absence of the entry that a call names.
        explanations: what happened and what to do about it, by the error; in place of the words for all calls.
    """

    absent: tuple[str, ...] = ()
    explanations: Mapping[type[AtlasError], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """One call.

    Attributes:
        operation: its name in Atlas's API reference.
        method: GET reads, anything else writes.
        path: from ``/api/atlas/v2`` on, with quoted segments.
        body: of a write.
        refusals: what they mean.
    """

    operation: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    refusals: Refusals = field(default=Refusals(), compare=False, repr=False)

    @property
    def writes(self) -> bool:
        """Whether it changes something in Atlas."""
        return self.method != "GET"


def path(template: str, operation: str, **segments: str) -> str:
    """Fill a path in, each segment quoted as it is sent.

    Raises:
        InvalidSpecError: a segment would name another path, or none.
    """
    return template.format(**{name: _segment(value, operation) for name, value in segments.items()})


def _segment(value: str, operation: str) -> str:
    if value in {"", ".", ".."} or not _is_text(value):
        raise InvalidSpecError(
            f"projectId, instanceName or endpointId is {value!r}, which names nothing in Atlas. Correct it.",
            operation=operation,
        )
    # The wire normalises these harmless characters back; a digest signs the path as it is sent.
    return quote(value, safe="!$&'()*,:;=@")


def _is_text(value: str) -> bool:
    """Return whether a text can be encoded: with half of a surrogate pair it cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
