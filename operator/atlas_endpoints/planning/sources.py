"""Where manifests come from: files, folders, the standard input."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from atlas_endpoints.planning.manifests import Document, Misfit, Place, read

STANDARD_INPUT = "-"

ENDINGS = (".json", ".yaml", ".yml")
"""Of the files that a folder is looked through for, as kubectl does."""


def find(names: Iterable[str], *, recursive: bool, namespace: str) -> list[Document]:
    """Read all manifests.

    Args:
        names: of files and folders, or ``-``.
        recursive: whether folders in folders are looked into.
        namespace: of resources that name none.
    """
    files = dict.fromkeys(file for name in names for file in _files(name, recursive=recursive))
    return [document for file in files for document in _read(file, namespace)]


def _files(name: str, *, recursive: bool) -> Iterator[str]:
    folder = Path(name)
    if name == STANDARD_INPUT or not folder.is_dir():
        yield name
        return
    pattern = "**/*" if recursive else "*"
    yield from (str(path) for path in sorted(folder.glob(pattern)) if path.suffix in ENDINGS and path.is_file())


def _read(file: str, namespace: str) -> list[Document]:
    try:
        data = sys.stdin.buffer.read() if file == STANDARD_INPUT else Path(file).read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        return [Misfit(Place(file), (f"cannot be read: {error.strerror or type(error).__name__}",))]
    except UnicodeDecodeError:
        return [Misfit(Place(file), ("is not written in UTF-8",))]
    return read(file, text, namespace=namespace)
