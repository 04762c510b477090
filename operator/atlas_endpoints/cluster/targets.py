"""A reference's target: one field of one object, and its value. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

VALUE_LIMIT = 1024
"""Characters of the longest value."""


class Target(NamedTuple):
    """One field of one object.

    Attributes:
        namespace: of the object, and of the resource that refers to it.
        group: empty for the core group.
        path: the names from the object's root to the field.
    """

    namespace: str
    group: str
    version: str
    kind: str
    name: str
    path: tuple[str, ...]

    @property
    def object(self) -> str:
        """Return the name of the object, for users."""
        return f"{self.kind} {self.name}"

    @property
    def field(self) -> str:
        """Return the name of the field, for users."""
        return "".join(f".{step}" for step in self.path)


class Lack(StrEnum):
    """Why a field has no usable value."""

    ABSENT = "absent"
    """It does not exist, or is empty."""
    NO_TEXT = "no text"
    """It is no text, or a text that is too long."""
    DELETING = "deleting"
    """Its object is being deleted."""


def extract(body: Mapping[str, object], path: tuple[str, ...]) -> str | Lack:
    """Return the text of a field as it is, unvalidated. A path does not lead into lists."""
    metadata = body.get("metadata")
    if isinstance(metadata, Mapping) and metadata.get("deletionTimestamp") is not None:
        return Lack.DELETING
    value: object = body
    for step in path:
        if value is None:
            return Lack.ABSENT
        if not isinstance(value, Mapping):
            return Lack.NO_TEXT
        value = value.get(step)
    if value is None or (not value and isinstance(value, str)):
        return Lack.ABSENT
    return value if isinstance(value, str) and len(value) <= VALUE_LIMIT else Lack.NO_TEXT
