"""Manifests into files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from atlas_endpoints.importing.drafts import Draft
from atlas_endpoints.importing.writing import write

if TYPE_CHECKING:
    from collections.abc import Callable


def test_each_manifest_has_a_file_in_a_new_folder(tmp_path: Path) -> None:
    folder = tmp_path / "shop" / "endpoints"

    assert list(write([Draft("a", "1\n"), Draft("b", "2\n")], folder)) == []
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"a.yaml": "1\n", "b.yaml": "2\n"}


def test_a_second_run_changes_nothing_and_is_no_problem(tmp_path: Path) -> None:
    list(write([Draft("a", "1\n")], tmp_path))

    assert list(write([Draft("a", "1\n")], tmp_path)) == []


IN_THE_WAY: dict[str, Callable[[Path], object]] = {
    "no UTF-8": lambda path: path.write_bytes(b"\xff\n"),
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "a link to what has no end": lambda path: path.symlink_to("/dev/zero"),
    "a link to nothing": lambda path: path.symlink_to("none"),
    "a link to itself": lambda path: path.symlink_to(path.name),
}


@pytest.mark.parametrize("make", IN_THE_WAY.values(), ids=IN_THE_WAY)
def test_an_obstacle_is_named_and_the_others_are_written(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "a.yaml")

    (complaint,) = write([Draft("a", "1\n"), Draft("b", "2\n")], tmp_path)

    assert complaint.startswith(f"{tmp_path / 'a.yaml'} is there already and says something else")
    assert (tmp_path / "b.yaml").read_text() == "2\n"


def test_an_edited_file_is_kept_and_named(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("mine\n")

    (complaint,) = write([Draft("a", "1\n"), Draft("b", "2\n")], tmp_path)

    assert complaint.startswith(f"{tmp_path / 'a.yaml'} is there already and says something else")
    assert (tmp_path / "a.yaml").read_text() == "mine\n"
    assert (tmp_path / "b.yaml").read_text() == "2\n"
