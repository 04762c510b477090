"""What resources have whose thing in Atlas is made and named by Atlas: what they name instead, and their status. Pure.

They name it by its place: the region for which Atlas makes it, or the service to which it leads.
"""

from abc import abstractmethod
from collections.abc import Collection
from typing import Annotated, ClassVar

from pydantic import Field
from typing_extensions import override

from atlas_endpoints.kinds.parts.fields import DeclaredResource
from atlas_endpoints.reconcile.resource import Thing
from atlas_endpoints.reconcile.status import Creation, Shown, ShownEntry, Status

DELETING = "DELETING"
"""The status of what Atlas deletes, or was asked to delete."""

MOST_OTHERS = 16
"""As many other things at its place are shown in a status; more of them are unheard of."""


class MadeStatus(Status):
    """The status of such a kind."""

    going: ClassVar[Collection[str]] = (DELETING,)
    """The statuses of a thing that Atlas deletes."""

    intent: Creation | None = Field(default=None, alias="creation")
    """The operator is about to create the {thing}, or has, and Atlas does not show it yet."""
    others: Annotated[tuple[Shown, ...], Field(max_length=MOST_OTHERS)] = ()
    """The IDs of other {others}, at most 16. This resource does not follow them, and leaves them in Atlas when it is deleted.

    The ID of one."""

    @property
    @abstractmethod
    def made(self) -> ShownEntry | None:
        """The thing that the resource follows."""

    @property
    @override
    def is_being_deleted(self) -> bool:
        return self.made is not None and self.made.status in self.going

    @property
    @override
    def creation(self) -> Creation | None:
        return self.intent


class MadeResource(DeclaredResource, frozen=True):
    """A resource of such a kind. Its entry is the thing, by the ID that Atlas gave it."""

    words: ClassVar = {
        "moved": "",
        "reported": "a missing {thing}",
        "at_once": "creates the {thing}",
        "bound": "has(self.status.{thing}) || has(self.status.creation) || has(self.status.applied)",
        "synced": "the last comparison or change succeeded, and Atlas has the {thing}",
        "error_message": ", which it may also have in other states than FAILED; absent when there is none",
    }

    status: MadeStatus

    @property
    @abstractmethod
    def place(self) -> str:
        """What it names; see ``Made.place``."""

    @property
    @abstractmethod
    def called(self) -> str:
        """What people call what it names, within a sentence."""

    @property
    @override
    def entry(self) -> str | None:
        return None if self.status.made is None else self.status.made.id

    @property
    @override
    def thing(self) -> Thing:
        """The thing that it names, also while Atlas has none."""
        return Thing(key_of(self.place), self.place, f"The {self.called}")

    @property
    @override
    def created_as(self) -> str:
        return self.thing.key

    @property
    @override
    def written_as(self) -> str:
        return self.created_as  # whatever ID it has

    @property
    @override
    def may_be_in_atlas(self) -> bool:
        return True

    @property
    @override
    def is_bound(self) -> bool:
        status = self.status
        return status.made is not None or status.intent is not None or status.applied is not None


def key_of(place: str) -> str:
    """Return the key of what is named by a place; see ``kind.Named``."""
    return f"/{place}"
