"""Which files are read."""

from __future__ import annotations

import io
import os
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from atlas_endpoints.planning.manifests import Misfit, Other
from atlas_endpoints.planning.sources import find

if TYPE_CHECKING:
    from pathlib import Path

    from atlas_endpoints.planning.manifests import Document


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.yaml", "a.yml", "c.json", "notes.md", "overlays/d.yaml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"kind: {path.stem.upper()}\n", encoding="utf-8")
    (tmp_path / "looks-like-one.yaml").mkdir()
    return tmp_path


def kinds(documents: list[Document]) -> list[str]:
    return [each.kind for each in documents if isinstance(each, Other)]


def test_a_folder_gives_its_manifests_in_order(folder: Path) -> None:
    assert kinds(find([str(folder)], recursive=False, namespace="shop")) == ["A", "B", "C"]


def test_folders_in_a_folder_are_looked_into_when_asked_for(folder: Path) -> None:
    assert kinds(find([str(folder)], recursive=True, namespace="shop")) == ["A", "B", "C", "D"]


def test_a_file_is_read_whatever_it_is_called_and_once(folder: Path) -> None:
    names = [str(folder / "notes.md"), str(folder), str(folder / "a.yml")]

    assert kinds(find(names, recursive=False, namespace="shop")) == ["NOTES", "A", "B", "C"]


def test_the_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"\xef\xbb\xbfkind: Secret\n")))

    assert kinds(find(["-"], recursive=False, namespace="shop")) == ["Secret"]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("none.yaml", None, f"cannot be read: {os.strerror(2)}"),
        ("latin.yaml", "kind: Gerät".encode("latin-1"), "is not written in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, name: str, content: bytes | None, problem: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)

    (found,) = find([str(path)], recursive=False, namespace="shop")

    assert isinstance(found, Misfit)
    assert (str(found.place), found.problems) == (str(path), (problem,))
