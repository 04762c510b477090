"""Read manifests from files, folders and the standard input."""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from atlas_endpoints.planning.manifests import GROUP, KIND, RENDER_FIRST, Budget, Document, Invalid, Other, Place, read

STANDARD_INPUT = "-"

ENDINGS = (".json", ".yaml", ".yml")
"""The suffixes of the files that are read in a folder, as in kubectl."""

UNRENDERED = frozenset({"Chart.yaml", "kustomization.yaml", "kustomization.yml"})
"""Files from which Helm or Kustomize render manifests."""

LARGEST_FILE = 8 << 20
"""Bytes of a file."""

MOST_FILES = 10_000
"""Files of a folder and its subfolders."""


def find(names: Iterable[str], *, recursive: bool, namespace: str) -> list[Document]:
    """Return all documents; a file that cannot be read, and a name without manifests, are ``Invalid``.

    Args:
        names: of files and folders, or ``-``.
        namespace: of resources without one.
    """
    names = list(names)
    budget = Budget()
    documents: list[Document] = []
    for file in dict.fromkeys(file for name in names for file in _files(name, recursive=recursive)):
        documents += [file] if isinstance(file, Invalid) else _read(file, namespace, budget)
    if all(isinstance(each, Other) for each in documents):
        documents += [_nothing(name, recursive=recursive) for name in names]
    return documents


def unrendered(names: Iterable[str], *, recursive: bool) -> list[str]:
    """Return a warning about folders that Helm or Kustomize would render."""
    files = dict.fromkeys(file for name in names for file in _files(name, recursive=recursive))
    found = [_place(each).file for each in files if isinstance(each, str) and Path(each).name in UNRENDERED]
    if not found:
        return []
    return [f"Not rendered: {', '.join(found)}. The files beside them are planned as they stand. {RENDER_FIRST}."]


def _files(name: str, *, recursive: bool) -> Iterator[str | Invalid]:
    """Yield the files of a folder, sorted, or the file itself."""
    if name == STANDARD_INPUT or not os.path.isdir(name):  # noqa: PTH112  # unlike pathlib's, it raises nothing
        yield name
        return
    found: list[Path] = []
    for each in _inside(name, recursive=recursive):
        if isinstance(each, Invalid):
            yield each
        elif len(found) < MOST_FILES:
            found.append(each)
        else:
            yield Invalid(
                _place(name), (f"holds more than {MOST_FILES} {_endings()} files: name the folders with manifests",)
            )
            return
    if not found:
        yield _nothing(name, recursive=recursive)
    yield from map(str, sorted(found))


def _inside(folder: str, *, recursive: bool) -> Iterator[Path | Invalid]:
    """Yield the files with the suffix of a manifest, and the unreadable ones. Links to folders are not followed."""
    pending = [folder]
    while pending:
        here = pending.pop()
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending += [entry.path] if recursive else []
                    elif entry.name.endswith(ENDINGS):
                        yield from _manifest(entry)
        except OSError as error:
            yield _unreadable(here, error)


def _manifest(entry: os.DirEntry[str]) -> Iterator[Path | Invalid]:
    """Yield a regular file, or why it cannot be read: a pipe would block, and a device has no end."""
    try:
        if entry.is_file():
            yield Path(entry.path)
        elif not entry.is_dir():
            entry.stat()  # raises for a broken link
            yield Invalid(_place(entry.path), ("is neither a file nor a folder: remove or rename it",))
    except OSError as error:
        yield _unreadable(entry.path, error)


def _nothing(name: str, *, recursive: bool) -> Invalid:
    """Return the problem of a name without manifests."""
    problem = f"holds no {KIND} of {GROUP}"
    if name != STANDARD_INPUT and os.path.isdir(name):  # noqa: PTH112  # as above
        problem += f" in its {_endings()} files"
        if not recursive and any(isinstance(each, Path) for each in _inside(name, recursive=True)):
            problem += "; folders in it are looked into with -R (--recursive)"
    return Invalid(_place(name), (problem,))


def _read(file: str, namespace: str, budget: Budget) -> list[Document]:
    place = _place(file)
    room = min(LARGEST_FILE, budget.size)
    try:
        data = _bytes(file, room + 1)
    except OSError as error:
        return [_unreadable(file, error)]
    if len(data) > LARGEST_FILE:
        return [Invalid(place, (f"is larger than {LARGEST_FILE >> 20} MiB: split it",))]
    if len(data) > room:
        return [
            Invalid(place, ("is not looked at: the files before it hold so much already. Plan some of them at a time",))
        ]
    budget.size -= len(data)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return [Invalid(place, ("is not written in UTF-8",))]
    return read(place.file, text, namespace=namespace, budget=budget)


def _bytes(file: str, most: int) -> bytes:
    if file == STANDARD_INPUT:
        return sys.stdin.buffer.read(most)
    with Path(file).open("rb") as opened:
        return opened.read(most)


def _unreadable(path: str, error: OSError) -> Invalid:
    return Invalid(_place(path), (f"cannot be read: {error.strerror or type(error).__name__}",))


def _place(path: str) -> Place:
    """Return the place of a file. Bytes of its name that are no text are escaped."""
    return Place(path.encode("utf-8", "backslashreplace").decode())


def _endings() -> str:
    return f"{', '.join(ENDINGS[:-1])} and {ENDINGS[-1]}"
