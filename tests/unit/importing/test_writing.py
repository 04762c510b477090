"""Manifests into files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlas_endpoints.importing.drafts import Draft
from atlas_endpoints.importing.writing import write

if TYPE_CHECKING:
    from pathlib import Path


def test_each_manifest_gets_a_file_in_a_folder_that_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "shop" / "endpoints"

    assert list(write([Draft("a", "1\n"), Draft("b", "2\n")], folder)) == []
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"a.yaml": "1\n", "b.yaml": "2\n"}


def test_a_second_time_changes_nothing_and_is_no_complaint(tmp_path: Path) -> None:
    list(write([Draft("a", "1\n")], tmp_path))

    assert list(write([Draft("a", "1\n")], tmp_path)) == []


def test_a_file_that_somebody_has_edited_is_left_as_it_is_and_named(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("mine\n")

    (complaint,) = write([Draft("a", "1\n"), Draft("b", "2\n")], tmp_path)

    assert complaint.startswith(f"{tmp_path / 'a.yaml'} is there already and says something else")
    assert (tmp_path / "a.yaml").read_text() == "mine\n"
    assert (tmp_path / "b.yaml").read_text() == "2\n"
