"""Objects that break a rule between fields, which only the API server checks: one that slips through does no harm."""

import logging
from typing import Any

import pytest

from atlas_endpoints.reconcile.spec import InvalidSpecError
from behaviour.atlas import PROJECT
from behaviour.data_federation import DataFederationSteps
from behaviour.dedicated import DedicatedSteps
from behaviour.regional import BackupSteps, EncryptionSteps
from behaviour.regional_mode import ModeSteps
from behaviour.serverless import ServerlessSteps
from behaviour.steps import Steps
from behaviour.streams import StreamSteps
from support.cases import Case, each_case
from support.virtual_time import run

STEPS = (ServerlessSteps, DedicatedSteps, DataFederationSteps, EncryptionSteps, BackupSteps, StreamSteps, ModeSteps)


def slips(steps: type[Steps], case: Case) -> bool:
    """Return whether only the API server refuses a case."""
    try:
        steps.kind.resource.spec_type.parse(case.manifest.get("spec"))
    except InvalidSpecError:
        return False
    return bool(case.refused) and "metadata.name" not in case.refused


@pytest.mark.parametrize(
    "steps", [pytest.param(each, marks=[] if each is DedicatedSteps else pytest.mark.beyond) for each in STEPS]
)
def test_it_ends_in_no_defect_and_no_deletion(steps: type[Steps], caplog: pytest.LogCaptureFixture) -> None:
    slipped = [case for case in each_case() if case.kind == steps.kind.names.kind and slips(steps, case)]
    assert len(slipped) > 5

    async def play(case: Case) -> dict[str, Any]:
        actions = steps()
        spec = dict(case.manifest["spec"])
        spec["projectId"] = PROJECT if spec.get("projectId") else None
        if "endpointId" in spec:
            spec["endpointId"] = None  # one is reserved
        await actions.do([{"create db": spec}, {"run": "20m"}])
        assert not [each for each in actions.atlas.calls if each.startswith("DELETE")], case
        (body,) = actions.cluster.objects.values()
        return {each["type"]: each for each in body["status"]["conditions"]}

    for case in slipped:
        ready = run(play(case))["Ready"]
        assert ready["reason"] != "InternalError", (case, ready)
        assert not [each for each in caplog.records if each.levelno >= logging.ERROR], case
