"""The record on disk: what was asked and made, so that another process can go on or remove it."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

VERSION = 1


@dataclass(frozen=True, slots=True)
class Record:
    """The content of a file; ``lives`` has what each family has come to, by its name."""

    path: Path
    project: str
    lives: dict[str, dict[str, Any]] = field(default_factory=dict)

    def save(self) -> None:
        """Write the file: after a crash at any time, it has the former content or this one."""
        document = {"version": VERSION, "project": self.project, "lives": self.lives}
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


def read(path: Path, project: str) -> Record:
    """Return the record in a file, or an empty one if there is no file.

    Raises:
        ValueError: it is no record, or of another project.
        OSError: it cannot be read.
    """
    if not path.exists():
        return Record(path, project)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        known = {name: document[name] for name in ("version", "project", "lives")}
    except (ValueError, LookupError, TypeError):
        raise ValueError(f"{path} is no record of this command. Use another --record.") from None
    if (known["version"], known["project"]) != (VERSION, project):
        raise ValueError(f"{path} is of another project or version. Use another --record.")
    return Record(path, project, known["lives"])
