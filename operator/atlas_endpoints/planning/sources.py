"""Where manifests come from: files, folders, the standard input."""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from atlas_endpoints.planning.manifests import GROUP, KIND, RENDER_FIRST, Budget, Document, Misfit, Other, Place, read

STANDARD_INPUT = "-"

ENDINGS = (".json", ".yaml", ".yml")
"""Of the files that a folder is looked through for, as kubectl does."""

UNRENDERED = frozenset({"Chart.yaml", "kustomization.yaml", "kustomization.yml"})
"""Files by which Helm or Kustomize makes manifests of those beside them."""

LARGEST_FILE = 8 << 20
"""Bytes of a file."""

MOST_FILES = 10_000
"""Files of a folder, and of the folders in it."""


def find(names: Iterable[str], *, recursive: bool, namespace: str) -> list[Document]:
    """Read all manifests; what cannot be read, and a name that leads to none, is a misfit among them.

    Args:
        names: of files and folders, or ``-``.
        recursive: whether folders in folders are looked into.
        namespace: of resources that name none.
    """
    names = list(names)
    budget = Budget()
    documents: list[Document] = []
    for file in dict.fromkeys(file for name in names for file in _files(name, recursive=recursive)):
        documents += [file] if isinstance(file, Misfit) else _read(file, namespace, budget)
    if all(isinstance(each, Other) for each in documents):
        documents += [_nothing(name, recursive=recursive) for name in names]
    return documents


def unrendered(names: Iterable[str], *, recursive: bool) -> list[str]:
    """Warn of folders whose manifests Helm or Kustomize makes; arguments as of ``find``."""
    files = dict.fromkeys(file for name in names for file in _files(name, recursive=recursive))
    found = [_place(each).file for each in files if isinstance(each, str) and Path(each).name in UNRENDERED]
    if not found:
        return []
    return [f"Not rendered: {', '.join(found)}. The files beside them are planned as they stand. {RENDER_FIRST}."]


def _files(name: str, *, recursive: bool) -> Iterator[str | Misfit]:
    """Yield the files of a folder in their order, or the file itself."""
    if name == STANDARD_INPUT or not os.path.isdir(name):  # noqa: PTH112  # unlike pathlib's, it raises nothing
        yield name
        return
    found: list[Path] = []
    for each in _inside(name, recursive=recursive):
        if isinstance(each, Misfit):
            yield each
        elif len(found) < MOST_FILES:
            found.append(each)
        else:
            yield Misfit(
                _place(name), (f"holds more than {MOST_FILES} {_endings()} files: name the folders with manifests",)
            )
            return
    if not found:
        yield _nothing(name, recursive=recursive)
    yield from map(str, sorted(found))


def _inside(folder: str, *, recursive: bool) -> Iterator[Path | Misfit]:
    """Yield what in a folder is called like a manifest, and what is unreadable; links to folders are not followed."""
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


def _manifest(entry: os.DirEntry[str]) -> Iterator[Path | Misfit]:
    """Yield a file, or why it cannot be read: to open a pipe waits for who writes into it, and a device has no end."""
    try:
        if entry.is_file():
            yield Path(entry.path)
        elif not entry.is_dir():
            entry.stat()  # tells where a link fails
            yield Misfit(_place(entry.path), ("is neither a file nor a folder: remove or rename it",))
    except OSError as error:
        yield _unreadable(entry.path, error)


def _nothing(name: str, *, recursive: bool) -> Misfit:
    """Say what a name was looked through for in vain."""
    told = f"holds no {KIND} of {GROUP}"
    if name != STANDARD_INPUT and os.path.isdir(name):  # noqa: PTH112  # as above
        told += f" in its {_endings()} files"
        if not recursive and any(isinstance(each, Path) for each in _inside(name, recursive=True)):
            told += "; folders in it are looked into with -R (--recursive)"
    return Misfit(_place(name), (told,))


def _read(file: str, namespace: str, budget: Budget) -> list[Document]:
    place = _place(file)
    room = min(LARGEST_FILE, budget.size)
    try:
        data = _bytes(file, room + 1)
    except OSError as error:
        return [_unreadable(file, error)]
    if len(data) > LARGEST_FILE:
        return [Misfit(place, (f"is larger than {LARGEST_FILE >> 20} MiB: split it",))]
    if len(data) > room:
        return [
            Misfit(place, ("is not looked at: the files before it hold so much already. Plan some of them at a time",))
        ]
    budget.size -= len(data)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return [Misfit(place, ("is not written in UTF-8",))]
    return read(place.file, text, namespace=namespace, budget=budget)


def _bytes(file: str, most: int) -> bytes:
    if file == STANDARD_INPUT:
        return sys.stdin.buffer.read(most)
    with Path(file).open("rb") as opened:
        return opened.read(most)


def _unreadable(path: str, error: OSError) -> Misfit:
    return Misfit(_place(path), (f"cannot be read: {error.strerror or type(error).__name__}",))


def _place(path: str) -> Place:
    """Give the place of a file whose name may have bytes that are no text, and could not be printed."""
    return Place(path.encode("utf-8", "backslashreplace").decode())


def _endings() -> str:
    return f"{', '.join(ENDINGS[:-1])} and {ENDINGS[-1]}"
