"""What MkDocs runs beside itself: the site is made from a mirror of the repository, with no more in it than what is linked.

Links in Markdown lead to files, so that the code host follows them. In the mirror each of these files stands at its path, and
MkDocs finds it there, and checks it. A folder that is linked is its README, else a page that lists what is in it.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
_FOLDER = tempfile.TemporaryDirectory(prefix="atlas-endpoints-site-")
MIRROR = Path(_FOLDER.name)
"""Of this run alone, and gone with it."""
HOME = Path("README.md")
LISTING = "files.md"
_LINK = re.compile(r"(?<=\]\()(?P<path>[^)#\s]+)")
_BLOCK = re.compile(r"^( *```.*?^ *```$)", re.MULTILINE | re.DOTALL)


def on_config(config: Any) -> Any:
    for each in MIRROR.iterdir():  # `mkdocs serve` comes here again
        shutil.rmtree(each) if each.is_dir() else each.unlink()
    for path in linked(ROOT):
        _mirror(path)
    config.docs_dir = str(MIRROR)
    return config


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Have links to folders lead to the page that stands for the folder."""
    return _redirected(markdown, Path(page.file.src_uri).parent)


def linked(root: Path) -> Iterator[Path]:
    """Return all that the site consists of: the home page, what is below docs/, and what a page of these links to, and so on.

    Yields:
        Paths within the repository; a folder stands for the list of what is in it, which is given, too.
    """
    waiting = [HOME, *(path.relative_to(root) for path in sorted((root / "docs").rglob("*")) if path.is_file())]
    seen = set[Path]()
    while waiting:
        path = waiting.pop()
        if path in seen or not (root / path).exists() or path == Path():
            continue
        seen.add(path)
        yield path
        if (root / path).is_dir():
            waiting += [each.relative_to(root) for each in (root / path).rglob("*") if each.is_file()]
        elif path.suffix == ".md":
            waiting += _targets((root / path).read_text(encoding="utf-8"), path.parent)


def _targets(markdown: str, folder: Path) -> Iterator[Path]:
    for match in _LINK.finditer(_BLOCK.sub("", markdown)):
        if (target := _within(match["path"], folder)) is not None:
            yield _index(target)


def _within(link: str, folder: Path) -> Path | None:
    """Return the path in the repository to which a link leads, if it is one."""
    path = posixpath.normpath((folder / link).as_posix())
    return None if "://" in link or link.startswith(("/", "mailto:")) or path.startswith("..") else Path(path)


def _index(path: Path) -> Path:
    return path / "README.md" if (ROOT / path / "README.md").exists() else path


def _redirected(markdown: str, folder: Path) -> str:
    def redirect(match: re.Match[str]) -> str:
        target = _within(match["path"], folder)
        if target is None or not (ROOT / target).is_dir():
            return match["path"]
        page = _index(target)
        return posixpath.relpath((page if page != target else page / LISTING).as_posix(), folder.as_posix())

    parts = _BLOCK.split(markdown)
    return "".join(part if number % 2 else _LINK.sub(redirect, part) for number, part in enumerate(parts))


def _mirror(path: Path) -> None:
    if (ROOT / path).is_dir():
        names = sorted(each.relative_to(ROOT / path).as_posix() for each in (ROOT / path).rglob("*") if each.is_file())
        listing = "\n".join(f"- [{name}]({name})" for name in names)
        (MIRROR / path).mkdir(parents=True, exist_ok=True)
        (MIRROR / path / LISTING).write_text(f"# {path}/\n\n{listing}\n", encoding="utf-8")
    else:
        (MIRROR / path).parent.mkdir(parents=True, exist_ok=True)
        (MIRROR / path).symlink_to(ROOT / path)
