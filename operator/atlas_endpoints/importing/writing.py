"""Write each manifest into a new file. Files that exist are not changed."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from atlas_endpoints.importing.drafts import Draft


def write(drafts: Iterable[Draft], folder: Path) -> Iterator[str]:
    """Write each manifest into a file of its name, and yield the problems. The folder is created.

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
    """Return whether a file has this content. A pipe or a device, which have another size, is not opened."""
    try:
        return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False
