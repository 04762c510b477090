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
            with path.open("x", encoding="utf-8") as file:
                file.write(each.text)
        except FileExistsError:
            if path.read_text(encoding="utf-8") != each.text:
                yield f"{path} is there already and says something else; it was left as it is. Compare the two, or name another folder."
