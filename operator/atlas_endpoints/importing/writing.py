"""Manifests into files: each its own, and none that is there already is touched."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from atlas_endpoints.importing.drafts import Draft


def write(drafts: Iterable[Draft], folder: Path) -> Iterator[str]:
    """Write each manifest into a file of its name, and give what stands in the way of any.

    Args:
        drafts: to write.
        folder: where to; made if it is not there.

    Raises:
        OSError: the folder or a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for each in drafts:
        path = folder / f"{each.name}.yaml"
        try:
            with path.open("xb") as file:
                file.write(each.text.encode())
        except FileExistsError:
            if not _holds(path, each.text.encode()):
                yield f"{path} is there already and says something else; it was left as it is. Compare the two, or name another folder."


def _holds(path: Path, data: bytes) -> bool:
    """Whether a file says just this; what is of another size is not opened, for it may be a pipe or have no end."""
    try:
        return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False
