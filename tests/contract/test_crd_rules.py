"""The commands evaluate the rules of the CRDs as the API server does, of which tests/integration/test_crd.py asks the same cases."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from atlas_endpoints.commands.crd_rules import _program, problems
from atlas_endpoints.kinds import KINDS
from atlas_endpoints.reconcile.spec import InvalidSpecError
from support.cases import Case, UpdateCase, each_case, update_cases

BY_NAME = {each.names.kind: each for each in KINDS}
OPERATOR = Path(__file__).parents[2] / "operator"
METADATA = {"namespace": "default", "uid": "u", "generation": 1}


def refusals(kind: str, manifest: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> list[str]:
    """What a command says to a manifest."""
    refusal = None
    try:
        BY_NAME[kind].resource.parse({**manifest, "metadata": {**METADATA, **manifest["metadata"]}})
    except InvalidSpecError as error:
        refusal = error
    return [*problems(BY_NAME[kind].crd, manifest, before, refusal=refusal)]


def assert_as_in_the_table(found: list[str], case: Case) -> None:
    assert all(any(each.startswith(field) for field in case.refused) for each in found), found
    for field, because in case.refused.items():
        assert any(each.startswith(f"{field}: ") and because in each for each in found), found


@pytest.mark.parametrize("case", each_case(), ids=str)
def test_a_new_resource_is_accepted_or_refused_as_in_the_table(case: Case) -> None:
    assert_as_in_the_table(refusals(case.kind, case.manifest), case)


@pytest.mark.parametrize("case", [each for kind in BY_NAME for each in update_cases(kind)], ids=str)
def test_a_change_is_accepted_or_refused_as_in_the_table(case: UpdateCase) -> None:
    before, after = ({**each, "status": case.status} for each in (case.before, case.manifest))
    assert_as_in_the_table(refusals(case.kind, after, before), case)


def test_without_the_library_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _program.cache_clear()
    monkeypatch.setitem(sys.modules, "celpy", None)
    with pytest.raises(ValueError, match=r"install atlas-endpoints\[plan\]"):
        problems(KINDS[0].crd, {"spec": {"projectId": "p"}})


def test_the_operator_does_not_load_the_library() -> None:
    code = "import sys, atlas_endpoints.cli; print([each for each in sys.modules if each.startswith('celpy')])"
    loaded = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(OPERATOR)}, capture_output=True, check=True
    )
    assert loaded.stdout == b"[]\n"
