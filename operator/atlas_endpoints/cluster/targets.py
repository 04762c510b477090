"""What a reference leads to: one field of one object, and what is found there; pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

VALUE_LIMIT = 1024
"""Characters: no value that anything refers to is longer."""


class Target(NamedTuple):
    """One field of one object.

    Attributes:
        namespace: of the object, and of the resource that refers to it.
        group: of its API; empty for the core group.
        version: of its API.
        kind: in CamelCase.
        name: of the object.
        path: the names that lead to the field, from the object's root on.
    """

    namespace: str
    group: str
    version: str
    kind: str
    name: str
    path: tuple[str, ...]

    @property
    def object(self) -> str:
        """Names the object, for people."""
        return f"{self.kind} {self.name}"

    @property
    def field(self) -> str:
        """Names the field, for people."""
        return "".join(f".{step}" for step in self.path)


class Lack(StrEnum):
    """Why a field that is referred to is of no use; ``Target`` says which one it is."""

    ABSENT = "absent"
    """It is not there, or empty."""
    NO_TEXT = "no text"
    """It holds something else than a text, or a text that is longer than any value could be."""
    DELETING = "deleting"
    """Its object is being deleted, and so is what the value stands for."""


def extract(body: Mapping[str, object], path: tuple[str, ...]) -> str | Lack:
    """Give the text at a path of an object, as it stands; it may hold anything.

    Args:
        body: the object.
        path: names of fields, from the root on; it does not lead into lists.
    """
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
