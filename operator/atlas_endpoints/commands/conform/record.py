"""The record on disk: what was asked and made, so that another process can go on or remove it."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

if sys.platform != "win32":
    import fcntl

VERSION = 1


@dataclass(frozen=True, slots=True)
class Record:
    """The content of a file; ``lives`` has what each family has come to, by its name."""

    path: Path
    project: str
    atlas: str
    lives: dict[str, dict[str, Any]] = field(default_factory=dict)

    def save(self) -> None:
        """Write the file: after a crash at any time, it has the former content or this one."""
        document = {"version": VERSION, "atlas": self.atlas, "project": self.project, "lives": self.lives}
        new = self.path.with_name(f".{self.path.name}.new")
        new.unlink(missing_ok=True)
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123  # the mode from the beginning
            json.dump(document, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def opened(path: Path, project: str, atlas: str) -> Iterator[Record]:
    """Yield the record in a file, or an empty one if there is no file; meanwhile no other process has it.

    Raises:
        ValueError: it is no record, of another project or Atlas, or another process has it.
        OSError: it cannot be read.
    """
    path = path.resolve()  # one lock, whatever leads to it
    with path.with_name(f".{path.name}.lock").open("a") as lock:
        if sys.platform != "win32":
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ValueError(f"{path} is in use by another process.") from None
        yield _read(path, project, atlas)


def _read(path: Path, project: str, atlas: str) -> Record:
    if not path.exists():
        return Record(path, project, atlas)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        known = {name: document[name] for name in ("version", "atlas", "project", "lives")}
    except (ValueError, LookupError, TypeError):
        raise ValueError(f"{path} is no record of this command. Use another --record.") from None
    if (known["version"], known["atlas"], known["project"]) != (VERSION, atlas, project):
        raise ValueError(f"{path} is of another project, another Atlas or another version. Use another --record.")
    return Record(path, project, atlas, known["lives"])
