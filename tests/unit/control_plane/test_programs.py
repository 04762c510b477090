from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from control_plane.go_build import BuildError, GoModule, digest
from control_plane.process import wait_until
from control_plane.programs import (
    ASSETS_VARIABLE,
    MODULE,
    NEWEST,
    OLDEST,
    PROGRAMS,
    ProgramsError,
    ensure_built,
    ensure_controller_manager_built,
    kubernetes_version,
    provide_programs,
    required_version,
    stamp_flags,
)
from control_plane.toolchain import ToolchainError

if TYPE_CHECKING:
    from pathlib import Path

    from unit.control_plane.conftest import FakeGo

SOURCES = {"go.mod": b"module m", "main.go": b"package main"}
FLAGS = ["-trimpath", "-ldflags", "-s"]
SOON = 20.0


@pytest.mark.parametrize(
    ("sources", "flags", "machine"),
    [
        pytest.param(SOURCES | {"main.go": b"package other"}, FLAGS, "Linux x86_64", id="a source was edited"),
        pytest.param(SOURCES | {"more.go": b""}, FLAGS, "Linux x86_64", id="a source was added"),
        pytest.param({"go.mod": b"module m"}, FLAGS, "Linux x86_64", id="a source was removed"),
        pytest.param(
            {"go.mod": b"module mm", "main.go": b"ackage main"},
            FLAGS,
            "Linux x86_64",
            id="a byte moved to another source",
        ),
        pytest.param(SOURCES, [*FLAGS[:-1], "-w"], "Linux x86_64", id="a flag changed"),
        pytest.param(SOURCES, FLAGS, "Darwin arm64", id="the checkout is seen by another machine"),
    ],
)
def test_the_digest_changes_when(sources: dict[str, bytes], flags: list[str], machine: str) -> None:
    assert digest(sources, flags, machine) != digest(SOURCES, FLAGS, "Linux x86_64")


def test_the_flags_stamp_the_release_on_servers_and_clients() -> None:
    flags = " ".join(stamp_flags("v1.37.2"))
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        for stamp in ("gitVersion=v1.37.2", "gitMajor=1", "gitMinor=37"):
            assert f"-X {package}.{stamp}" in flags


def test_a_go_mod_without_kubernetes_is_refused() -> None:
    with pytest.raises(BuildError, match=r"requires no release of k8s\.io/kubernetes"):
        kubernetes_version("module m\nrequire k8s.io/api v0.37.2\n")


@pytest.mark.parametrize("requirements", [NEWEST, OLDEST])
def test_all_of_kubernetes_is_of_one_release(requirements: str) -> None:
    go_mod = (MODULE / requirements).read_text()
    staging = kubernetes_version(go_mod).replace("v1.", "v0.", 1)
    replaced = re.findall(r"^\t(k8s\.io/\S+) => (\S+) (\S+)$", go_mod, re.MULTILINE)
    assert len(replaced) > 30
    assert [entry for entry in replaced if entry[1:] != (entry[0], staging)] == []


def test_the_oldest_release_is_built_from_requirements_of_its_own(fake_go: FakeGo, tmp_path: Path) -> None:
    ensure_built(tmp_path, OLDEST)
    (build,) = fake_go.builds
    assert f"-modfile={OLDEST}" in build.split()
    assert f"gitVersion={required_version(OLDEST)}" in build


def test_the_controller_manager_is_built_alone(fake_go: FakeGo, tmp_path: Path) -> None:
    assert ensure_controller_manager_built(tmp_path) == tmp_path / "kube-controller-manager"
    (build,) = fake_go.builds
    assert build.split()[-1] == "./controller-manager"


@pytest.mark.parametrize("optimized", [False, True])
def test_the_compiler_inlines_only_where_fast_programs_are_asked_for(
    fake_go: FakeGo, tmp_path: Path, optimized: bool
) -> None:
    ensure_built(tmp_path, optimized=optimized)
    (build,) = fake_go.builds
    assert ("-gcflags=all=-l" in build.split()) is not optimized


def test_a_change_of_other_requirements_is_none_of_the_programs() -> None:
    newest, oldest = (
        GoModule(title="", folder=MODULE, programs={}, links={}, flags=[], patience="", requirements=requirements)
        for requirements in (NEWEST, OLDEST)
    )
    assert newest.sources().keys() - oldest.sources().keys() == {"go.mod", "go.sum"}
    assert oldest.sources().keys() - newest.sources().keys() == {"oldest.mod", "oldest.sum"}


def test_it_builds_once_and_then_again_only_when_a_program_is_made_of_something_else(
    fake_go: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "target"
    assert ensure_built(target) == target
    for name in PROGRAMS:
        assert (target / name).read_text() == "binary"

    (fake_go.folder / "go").unlink()
    ensure_built(target)  # without any Go: nothing is to be built
    assert len(fake_go.builds) == 1

    fake_go.install(build="printf newer > $out")
    monkeypatch.setattr("control_plane.go_build.platform.machine", lambda: "another")
    ensure_built(target)
    assert (target / "etcd").read_text() == "newer"


def test_a_failed_build_of_a_change_leaves_what_was_there(
    fake_go: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "target"
    ensure_built(target)
    fake_go.install(build="printf broken > $out; echo './main.go:3:1: syntax error' >&2; exit 1")
    with monkeypatch.context() as change:
        change.setattr("control_plane.go_build.platform.machine", lambda: "another")
        with pytest.raises(BuildError, match=r"build` failed:\n\./main\.go:3:1: syntax error"):
            ensure_built(target)

    ensure_built(target)  # the change was taken back: nothing is to be built
    assert (target / "etcd").read_text() == "binary"
    assert len(fake_go.builds) == len(["the first", "the failed"])


def test_a_second_process_waits_for_the_one_that_builds(
    fake_go: FakeGo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "target"
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    fake_go.install(build=f"read -r _ < {gate}; printf binary > $out")
    said: list[str] = []

    def is_waiting() -> bool:
        said.append(capsys.readouterr().err)
        return "another process is building the control plane; waiting for it" in "".join(said)

    with ThreadPoolExecutor() as processes:  # a file lock tells threads apart as it does processes
        builds = [processes.submit(ensure_built, target)]
        wait_until(lambda: len(fake_go.builds) == 1, "the first to build", timeout=SOON)
        builds.append(processes.submit(ensure_built, target))
        wait_until(is_waiting, "the second to wait", timeout=SOON)
        gate.write_text("go\n")
        assert [build.result(SOON) for build in builds] == [target, target]

    assert len(fake_go.builds) == 1
    assert (target / "kubectl").read_text() == "binary"


def test_go_gets_caches_in_the_checkout_when_it_has_nowhere_else_to_put_them(fake_go: FakeGo, tmp_path: Path) -> None:
    fake_go.install(go_env={"GOPATH": "", "GOMODCACHE": "", "GOCACHE": ""})
    ensure_built(tmp_path / "target")
    for name in ("GOPATH", "GOMODCACHE", "GOCACHE"):
        assert "/.cache/go/" in fake_go.environment[name]


def test_without_go_the_error_names_the_remedy(
    fake_go: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError, match=r"(?s)no `go` on PATH.*go\.dev/dl.*KUBEBUILDER_ASSETS"):
        ensure_built(tmp_path / "target")


@pytest.fixture
def assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "assets"
    folder.mkdir()
    for name in ("etcd", "kube-apiserver", "kubectl"):
        (folder / name).touch(mode=0o755)
    monkeypatch.setenv(ASSETS_VARIABLE, str(folder))
    return folder


def test_envtests_folder_is_used_as_it_is_and_nothing_is_built(assets: Path, fake_go: FakeGo) -> None:
    programs = provide_programs(controller_manager=True)
    assert programs.kube_apiserver == assets / "kube-apiserver"
    assert programs.kube_controller_manager is None
    assert fake_go.builds == []


def test_a_controller_manager_in_that_folder_is_used_where_it_is_asked_for(assets: Path) -> None:
    (assets / "kube-controller-manager").touch(mode=0o755)
    assert provide_programs().kube_controller_manager is None
    programs = provide_programs(controller_manager=True)
    assert programs.kube_controller_manager == assets / "kube-controller-manager"


def test_a_folder_that_lacks_programs_is_refused_with_their_names(assets: Path) -> None:
    (assets / "etcd").unlink()
    (assets / "kubectl").chmod(0o644)
    with pytest.raises(ProgramsError, match=f"{ASSETS_VARIABLE} is {assets}, .* no executable etcd, kubectl"):
        provide_programs()
