"""What the tests of all kinds share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from atlas_endpoints.cli import main
from atlas_endpoints.commands import importing
from atlas_endpoints.commands.plan import command as plan_command
from unit.kinds.read_atlas import READS, ReadAtlas

if TYPE_CHECKING:
    from collections.abc import Mapping

    from unit.kinds.read_atlas import Run


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("MONGODB_ATLAS_CLIENT_ID", "mdb_sa_id_1")
    monkeypatch.setenv("MONGODB_ATLAS_CLIENT_SECRET", "mdb_sa_sk_1")

    def run(case: Mapping[str, Any], *arguments: str) -> tuple[int, str, str]:
        atlas = ReadAtlas(case)
        for module in (importing, plan_command):
            monkeypatch.setattr(module, "client_of", lambda _: atlas)
        capsys.readouterr()
        code = main(arguments)
        printed = capsys.readouterr()
        assert set(atlas.calls) <= READS
        return code, printed.out, printed.err

    return run
