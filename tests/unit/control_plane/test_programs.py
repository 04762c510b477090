from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from control_plane.programs import ASSETS_VARIABLE, ProgramsError, provide_programs

if TYPE_CHECKING:
    from pathlib import Path

    from unit.control_plane.conftest import FakeGo


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
