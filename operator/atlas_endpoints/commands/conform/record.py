"""The record on disk: what was asked and made, so that another process can go on or remove it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, PrivateAttr, ValidationError

from atlas_endpoints.kinds.conforming import Exchange

if sys.platform != "win32":
    import fcntl


class Pending(BaseModel):
    """A write that may have been sent, and has no answer yet.

    Attributes:
        named: the entry that it names itself, if it creates one.
        place: what it is for.
        at: when it is sent, in seconds since 1970.
    """

    call: Exchange
    named: str | None
    place: str
    at: float


class Kept(BaseModel):
    """What a family has come to.

    Attributes:
        vpc: digits of which the IDs of VPC endpoints are made.
        end: why its life has ended ("": it was lived); None: it goes on, or has not begun.
        made: the entries that were made, each with its step.
        gone: those of them that are proved to be gone.
        unclear: entries that a lost call may have made, or somebody else.
    """

    vpc: str
    end: str | None = None
    pending: Pending | None = None
    exchanges: list[Exchange] = []
    made: dict[str, str] = {}
    gone: list[str] = []
    unclear: list[str] = []

    @property
    def may_have_made(self) -> bool:
        """Whether a write without an answer may have made something."""
        return self.pending is not None and self.pending.call.request["method"] == "POST"

    @property
    def begins_anew(self) -> bool:
        """Whether it has ended before it made anything: what was in its way may be mended."""
        posts = [each for each in self.exchanges if each.request["method"] == "POST"]
        return bool(self.end) and not (self.made or self.left) and all(each.is_answered for each in posts)

    @property
    def left(self) -> list[str]:
        """What Atlas may still have: what was made, and what may have been made."""
        made = [each for each in self.made if each not in self.gone]
        unclear = [f"{each} (somebody else may have made it: not touched)" for each in self.unclear]
        lost = (
            [f"what the step “{self.pending.call.step}” may have made"] if self.pending and self.may_have_made else []
        )
        return [*made, *unclear, *lost]


class Record(BaseModel):
    """The content of a file; ``lives`` has what each family has come to, by its name."""

    version: Literal[1] = 1
    atlas: str
    project: str
    region: str
    lives: dict[str, Kept] = {}
    _path: Path = PrivateAttr()

    @property
    def left(self) -> list[str]:
        """What Atlas may still have of all families."""
        return [f"{name}: {each}" for name, life in self.lives.items() for each in life.left]

    def save(self) -> None:
        """Write the file: after a crash at any time, it has the former content or this one."""
        new = self._path.with_name(f".{self._path.name}.new")
        new.unlink(missing_ok=True)
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123  # the mode from the beginning
            file.write(self.model_dump_json(indent=1))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def opened(path: Path, project: str, atlas: str, region: str) -> Iterator[Record]:
    """Yield the record in a file, or a new one, of this region, if there is no file; meanwhile no other process has it.

    Raises:
        ValueError: it is no record, of another project or Atlas, in no folder, or another process has it.
        OSError: it cannot be read.
    """
    path = path.resolve()  # one lock, whatever leads to it
    if not path.parent.is_dir():
        raise ValueError(f"There is no folder {path.parent} for --record: create it first.")
    with path.with_name(f".{path.name}.lock").open("a") as lock:
        if sys.platform != "win32":
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ValueError(f"{path} is in use: another conform goes on with it. Wait for its end.") from None
        record = _read(path) if path.exists() else Record(atlas=atlas, project=project, region=region)
        if (record.atlas, record.project) != (atlas, project):
            raise ValueError(f"{path} is of another project or another Atlas. Use another --record.")
        record._path = path  # noqa: SLF001  # pydantic sets no private attribute in a constructor
        yield record


def _read(path: Path) -> Record:
    try:
        return Record.model_validate_json(path.read_bytes())
    except ValidationError:
        raise ValueError(
            f"{path} is damaged, or no record of this version of the command. What it named may still be in Atlas: look there"
            " before you use another --record."
        ) from None
