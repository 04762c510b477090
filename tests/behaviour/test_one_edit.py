"""How much of the operator one edit enters: what a reader has to hold in mind for it."""

import sys
from pathlib import Path
from types import CodeType, FrameType

import atlas_endpoints
from behaviour import dedicated
from support.virtual_time import on_virtual_time

MODULES, FUNCTIONS = 52, 460
"""At most. An edit that enters more has become harder to follow: take something away, before you raise a limit."""

ROOT = str(Path(atlas_endpoints.__file__).parent)


@on_virtual_time
async def test_an_edit_enters_few_modules_and_functions() -> None:
    entered: set[CodeType] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if (
            event == "call"
            and frame.f_code.co_filename.startswith(ROOT)
            and "simulator" not in frame.f_code.co_filename
        ):
            entered.add(frame.f_code)

    steps = dedicated.DedicatedSteps()
    async with steps.running():
        steps.create({**dedicated.CONSTANTS["ON_AWS"], "cloudProviderEndpointId": dedicated.VPCE}, "")
        await steps.run("40m", "")
        steps.clear(None, "")
        sys.setprofile(note)
        try:
            steps.edit({"supportedRemoteRegions": ["us-east-1"]}, "")
            await steps.run("10s", "")
        finally:
            sys.setprofile(None)
        assert [call for call in steps.atlas.calls if call.startswith("PATCH")], steps.atlas.calls
    modules = {str(Path(each.co_filename).relative_to(ROOT)) for each in entered}
    assert len(modules) <= MODULES, sorted(modules)
    assert len(entered) <= FUNCTIONS, sorted(each.co_qualname for each in entered)
