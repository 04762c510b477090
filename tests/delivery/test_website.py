"""The documentation as a site: it builds without a network, each link and anchor leads somewhere, and pages look as they should."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from control_plane.go_build import CACHE

ROOT = Path(__file__).parents[2]
MKDOCS = CACHE / "docs" / "bin" / "mkdocs"
NOWHERE = "http://127.0.0.1:9"
"""A proxy that is not there, so that nothing can be fetched."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does."""
    assert MKDOCS.exists(), f"{MKDOCS} is missing: `make docs` brings it"
    folder = tmp_path_factory.mktemp("site")
    environment = {"PATH": os.defpath, "NO_MKDOCS_2_WARNING": "1", "http_proxy": NOWHERE, "https_proxy": NOWHERE}
    command: list[str | Path] = [MKDOCS, "build", f"--site-dir={folder}"]
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder


def test_all_that_markdown_marks_is_seen_as_such(site: Path) -> None:
    """A list or a table right after a line of text is one on the code host, and none for the site."""
    unseen = [
        f"{page.relative_to(site)}: {text[:80]}"
        for page in site.rglob("*.html")
        for text in re.findall(r"<p>(?:(?!</p>).)*?\n((?:[-*] |\d+\. |\|)(?:(?!</p>).)*)", page.read_text(), re.DOTALL)
    ]
    assert unseen == []


def test_a_reader_fetches_nothing_from_elsewhere(site: Path) -> None:
    fetched = {
        address
        for page in site.rglob("*.html")
        for tag in re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", page.read_text())
        for address in re.findall(r'(?:src|href)="(?:https?:)?//([^"]*)"', tag)
    }
    assert fetched == set()


def test_each_picture_is_there(site: Path) -> None:
    pictures = {
        (page.parent / source).resolve()
        for page in site.rglob("*.html")
        if page.name != "404.html"
        for source in re.findall(r'<img\b[^>]*src="([^":]+)"', page.read_text())
    }
    assert pictures
    assert {picture for picture in pictures if not picture.exists()} == set()
