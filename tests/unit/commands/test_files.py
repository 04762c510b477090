"""The files that are read, and the problems of those that are not."""

from __future__ import annotations

import errno
import io
import os
import sys
from threading import Thread
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from atlas_endpoints.commands.manifests import LARGEST_FILE, RENDER_FIRST, Invalid, ManifestReader, Other, Place
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from atlas_endpoints.commands.manifests import Document


def find(*names: object, recursive: bool = False) -> list[Document]:
    return ManifestReader([KIND], namespace="shop", recursive=recursive).find(map(str, names))


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


def test_the_manifests_of_a_folder_are_in_order_and_subfolders_are_read_with_recursive(folder: Path) -> None:
    assert kinds(find(folder)) == ["A", "B", "C"]
    assert kinds(find(folder, recursive=True)) == ["A", "B", "C", "D"]


@pytest.mark.parametrize("recursive", [False, True])
def test_subfolders_that_are_not_read_are_warned_of(folder: Path, recursive: bool) -> None:
    reader = ManifestReader([KIND], namespace="shop", recursive=recursive)
    reader.find([str(folder)])

    warning = f"Subfolders of {folder} are read with -R (--recursive) only."
    assert reader.warnings == ([] if recursive else [warning])


def test_a_named_file_is_read_once_with_any_suffix(folder: Path) -> None:
    names = [str(folder / "notes.md"), str(folder), str(folder / "a.yml")]

    assert kinds(find(*names)) == ["NOTES", "A", "B", "C"]


def test_the_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"\xef\xbb\xbfkind: Secret\n")))

    assert kinds(find("-")) == ["Secret"]


def link(path: Path, target: str) -> None:
    path.symlink_to(target)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "latin.yaml": (lambda path: path.write_bytes("kind: Gerät".encode("latin-1")), "is not encoded in UTF-8"),
    "large.yaml": (lambda path: path.write_bytes(b"#" * (LARGEST_FILE + 1)), "is larger than 8 MiB: split it"),
    "endless.yaml": (lambda path: link(path, "/dev/zero"), "is a link to a file outside of the folder"),
    "pipe.yaml": (os.mkfifo, "is neither a file nor a folder"),
    "loop.yaml": (lambda path: link(path, path.name), f"cannot be read: {os.strerror(errno.ELOOP)}"),
    "nowhere.yaml": (lambda path: link(path, "none.yaml"), f"cannot be read: {os.strerror(errno.ENOENT)}"),
    "refused.yaml": (lambda path: link(path, "/proc/self/mem"), "is a link to a file outside of the folder"),
    "bytes-\udcff.yaml": (lambda path: path.write_text("a: ["), "is not valid YAML"),
    "-bomb.yaml": (lambda path: path.write_text("a: &a b\nc: *a"), "is not valid YAML"),
}
"""What a pull request may bring, by its name: how it is made, and what is said of it."""


def test_each_bad_file_of_a_folder_is_named_and_all_others_are_read(folder: Path) -> None:
    for name, (make, _) in BAD.items():
        make(folder / name)
    link(folder / "overlays" / "again", "..")

    documents = find(folder, recursive=True)

    assert kinds(documents) == ["A", "B", "C", "D"]
    found = {each.place.file.rpartition("/")[2]: each.problems[0] for each in documents if isinstance(each, Invalid)}
    assert len(found) == len(BAD)
    for name, (_, problem) in BAD.items():
        assert problem in found[name.encode("utf-8", "backslashreplace").decode()]


@pytest.mark.parametrize("name", ["none.yaml", "/dev/zero"])
def test_a_name_that_is_missing_or_endless_is_invalid(name: str) -> None:
    (found,) = find(name)

    problem = (
        f"cannot be read: {os.strerror(errno.ENOENT)}" if name == "none.yaml" else "is larger than 8 MiB: split it"
    )
    assert found == Invalid(Place(name), (problem,))


def test_a_named_pipe_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "rendered")
    writer = Thread(target=(tmp_path / "rendered").write_text, args=("kind: Secret",))
    writer.start()

    assert kinds(find(tmp_path / "rendered")) == ["Secret"]
    writer.join()


@pytest.mark.parametrize("files", [[], ["notes.md"], ["shop/a.yaml"], ["a.yaml", "b/c.yaml"]])
def test_a_name_without_manifests_is_invalid(tmp_path: Path, files: list[str]) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("kind: Secret\n")

    (*_, found) = find(tmp_path)

    assert found == Invalid(Place(str(tmp_path)), ("contains no ServerlessPrivateEndpoint (atlas-endpoints.dev)",))


OUTSIDE = "is a link to a file outside of the folder: pass that file itself with -f"


@pytest.mark.parametrize("recursive", [False, True])
def test_a_link_out_of_the_folder_is_not_read(folder: Path, recursive: bool) -> None:
    secret, shown = folder / "secret.yaml", folder / "shown"
    secret.write_text("kind: Secret\n")
    shown.mkdir()
    link(shown / "absolute.yaml", str(secret))
    link(shown / "relative.yaml", "../secret.yaml")
    link(shown / "first.yaml", "absolute.yaml")

    found = find(shown, recursive=recursive)

    places = [Place(str(shown / f"{name}.yaml")) for name in ("absolute", "first", "relative")]
    assert found == [Invalid(place, (OUTSIDE,)) for place in places]


def test_a_link_out_of_the_folder_is_read_if_the_user_names_it(folder: Path) -> None:
    outside = folder / "overlays"
    link(outside / "a.yaml", "../a.yml")

    assert kinds(find(outside / "a.yaml", outside)) == ["A", "D"]


def test_a_mounted_config_map_is_read(tmp_path: Path) -> None:
    """As Kubernetes mounts it; and through a link to the folder itself."""
    data = tmp_path / "mounted" / "..2026_12_01"
    data.mkdir(parents=True)
    (data / "x.yaml").write_text("kind: X\n")
    link(tmp_path / "mounted" / "..data", data.name)
    link(tmp_path / "mounted" / "x.yaml", "..data/x.yaml")
    link(tmp_path / "here", "mounted")

    for name in ("mounted", "here"):
        reader = ManifestReader([KIND], namespace="shop")
        assert kinds(reader.find([str(tmp_path / name)])) == ["X"]
        assert reader.warnings == []


@pytest.mark.parametrize(
    ("recursive", "named"),
    [(False, "{0}/kustomization.yaml"), (True, "{0}/charts/Chart.yaml, {0}/kustomization.yaml")],
)
def test_files_of_helm_and_kustomize_are_warned_of(tmp_path: Path, recursive: bool, named: str) -> None:
    for name in ("kustomization.yaml", "a.yaml", "charts/Chart.yaml", "charts/values.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    reader = ManifestReader([KIND], namespace="shop", recursive=recursive)
    reader.find([str(tmp_path), str(tmp_path / "a.yaml")])

    assert f"These files are not rendered: {named.format(tmp_path)}. {RENDER_FIRST}." in reader.warnings
