"""Calls to Atlas as data."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from urllib.parse import quote

from typing_extensions import override

from atlas_endpoints.atlas.errors import AtlasError, InvalidRequestError


class Scope(NamedTuple):
    """The range of one LIST, as one pair of credentials sees it.

    Attributes:
        credentials: their fingerprint.
        project_id: 24 hexadecimal digits.
        name: within the project, such as that of an instance, or a cloud provider.
    """

    credentials: str
    project_id: str
    kind: str
    name: str

    @property
    def place(self) -> tuple[str, str, str]:
        """The scope without its credentials."""
        return self.project_id, self.kind, self.name

    @override
    def __str__(self) -> str:  # for the log, without the credentials
        return f"{self.project_id}/{self.name}"


TOKEN_OPERATION = "createAccessToken"  # noqa: S105  # the name of an operation

PAGE = 500
"""Items of a page: as many as Atlas gives."""


@dataclass(frozen=True, slots=True)
class Refusals:
    """The meaning of refusals of a kind's calls, beside their meaning for all calls.

    Attributes:
        absent: the ends of the error codes that prove the absence of the entry in the path.
        explanations: replace the templates of ``answers``.
        doubted: the error codes that mean a missing role only if they come again.
    """

    absent: tuple[str, ...] = ()
    explanations: Mapping[type[AtlasError], str] = field(default_factory=dict)
    doubted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One call.

    Attributes:
        operation: its name in Atlas's API reference.
        path: with its query.
        api_version: of the operation; the first one, if its kind names none.
        paged: whether the answer to this LIST comes in pages.
        single: whether it is the one entry itself.
        page_size: items of a page, at most; fewer than ``PAGE`` if an item is large.
        optional: whether a GET of something beside the entries that fails shows nothing, so that work goes on without it.
    """

    operation: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    refusals: Refusals = field(default=Refusals(), compare=False, repr=False)
    api_version: str = "2023-01-01"
    paged: bool = False
    single: bool = False
    page_size: int = PAGE
    optional: bool = False

    def page(self, number: int) -> "Request":
        """Return the call for one page of this LIST; the first one is 1."""
        separator = "&" if "?" in self.path else "?"
        return replace(self, path=f"{self.path}{separator}itemsPerPage={self.page_size}&pageNum={number}")

    @property
    def media_type(self) -> str:
        """The media type of the request's body and of its answer."""
        return f"application/vnd.atlas.{self.api_version}+json"

    @property
    def writes(self) -> bool:
        """Whether it changes something in Atlas."""
        return self.method != "GET"


def path(template: str, operation: str, **segments: str) -> str:
    """Fill a path in with quoted segments; raises ``InvalidRequestError`` for one that leads to another path."""
    return template.format(**{name: _segment(value, operation) for name, value in segments.items()})


def _segment(value: str, operation: str) -> str:
    is_text = not re.search(r"[\ud800-\udfff]", value)  # half of a surrogate pair cannot be encoded
    if value in {"", ".", ".."} or not is_text:
        raise InvalidRequestError(
            f"A name or an ID of the call is {value!r}, which is not valid. Correct it in the spec.",
            operation=operation,
        )
    # The HTTP library does not quote these harmless characters; a digest signs the path as it is sent.
    return quote(value, safe="!$&'()*,:;=@")
