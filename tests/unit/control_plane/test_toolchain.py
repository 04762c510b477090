from __future__ import annotations

from pathlib import Path

import pytest

from control_plane.toolchain import ToolchainError, cache_overrides, check_version, is_usable_folder

FALLBACK = Path("/checkout/.cache/go")
AT_HOME = {"GOPATH": "/home/u/go", "GOMODCACHE": "/home/u/go/pkg/mod", "GOCACHE": "/home/u/.cache/go-build"}
HERE = {
    "GOPATH": "/checkout/.cache/go/path",
    "GOMODCACHE": "/checkout/.cache/go/mod",
    "GOCACHE": "/checkout/.cache/go/build",
}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("go version go1.26.0 linux/amd64", id="the oldest that will do"),
        pytest.param("go version go1.27rc1 darwin/arm64", id="a release candidate"),
        pytest.param("go version go2.0 linux/amd64", id="a later major version"),
        pytest.param("go version devel go1.28-3f2a1c Tue linux/amd64", id="built from its repository"),
    ],
)
def test_new_enough_is(answer: str) -> None:
    check_version(answer)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("go version go1.25.9 linux/amd64", id="one minor version too old"),
        pytest.param("go version go1.4 linux/amd64", id="a version that only looks larger"),
        pytest.param("bash: go: not today", id="no version at all"),
        pytest.param("", id="nothing"),
    ],
)
def test_too_old_is(answer: str) -> None:
    with pytest.raises(ToolchainError, match=r"Go 1\.26 or newer is needed"):
        check_version(answer)


@pytest.mark.parametrize(
    ("go_env", "unusable", "expected"),
    [
        pytest.param(AT_HOME, "/nowhere", {}, id="nothing when HOME is in order"),
        pytest.param(
            dict.fromkeys(AT_HOME, ""), "/nowhere", HERE | {"GOFLAGS": "-modcacherw"}, id="all without a HOME"
        ),
        pytest.param(
            AT_HOME, "/home", HERE | {"GOFLAGS": "-modcacherw"}, id="all with a HOME that cannot be written to"
        ),
        pytest.param(
            AT_HOME | {"GOCACHE": "off"}, "/nowhere", {"GOCACHE": HERE["GOCACHE"]}, id="a cache that is switched off"
        ),
        pytest.param(
            AT_HOME | {"GOPATH": "/home/u/go:/home/u/more"},
            "/home/u/more",
            {},
            id="nothing for a list whose first is good",
        ),
    ],
)
def test_the_checkout_keeps_for_go(go_env: dict[str, str], unusable: str, expected: dict[str, str]) -> None:
    assert cache_overrides(go_env, FALLBACK, lambda path: not path.is_relative_to(unusable)) == expected


def test_a_folder_is_usable_if_it_could_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert is_usable_folder(tmp_path)
    assert is_usable_folder(tmp_path / "a" / "b")
    assert not is_usable_folder(tmp_path / "file" / "b")
    assert not is_usable_folder(Path("/proc/1/nothing"))
