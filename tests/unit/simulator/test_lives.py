"""The life of an endpoint at the pace of a clock that the test turns: testdata/lives.yaml, whose head explains the steps."""

from pathlib import Path

import pytest
import yaml

from unit.simulator.harness import ARM_ID, OTHER_VPCE, VPCE, Atlas, check, check_answer, collection, endpoint, filled

TEXTS = {
    "$vpce": VPCE,
    "$other": OTHER_VPCE,
    "$arm": ARM_ID,
    "$lower_arm": ARM_ID.lower(),
    "$upper_arm": ARM_ID.upper(),
}
LIVES = yaml.safe_load((Path(__file__).parent / "testdata" / "lives.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", LIVES)
async def test_an_endpoint_lives_like_in_atlas(atlas: Atlas, name: str) -> None:
    instance = "azure" if name.endswith("(Azure)") else "aws"
    path = endpoint(instance)
    for step in filled(LIVES[name], TEXTS):
        answer = None
        if "put" in step:
            await atlas.put(instance, **step["put"])
        if "switches" in step:
            await atlas.control("switches", step["switches"])
        atlas.clock.advance(step.get("after", 0))
        if "patch" in step:
            answer = await atlas.patch(path, **step["patch"])
        if "post" in step:
            answer = await atlas.call("POST", collection(instance), json=step["post"])
            path = endpoint(instance, answer.json()["_id"])
        if "delete" in step:
            assert (await atlas.call("DELETE", path)).status_code == step["delete"]
        if answer is not None:
            check_answer(answer, step.get("answer", {}))
        if "get" in step:
            shown = await atlas.call("GET", path)
            assert (shown.status_code == 404) == (step["get"] is None)
            check(shown.json(), step["get"] or {})
        if "list" in step:
            listed = (await atlas.call("GET", collection(instance))).json()
            assert len(listed) == len(step["list"])
            for each, expected in zip(listed, step["list"], strict=True):
                check(each, expected)
