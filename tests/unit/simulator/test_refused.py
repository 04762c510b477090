"""Documents that the simulator refuses: testdata/refused.yaml."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from atlas_endpoints.simulator import InvalidDocumentError, read
from unit.simulator.harness import PROJECT, Atlas

TEXT = (
    (Path(__file__).parent / "testdata" / "refused.yaml")
    .read_text(encoding="utf-8")
    .replace("$project", f'"{PROJECT}"')
)
CASES = [(name, document, problem) for name, cases in yaml.safe_load(TEXT).items() for document, problem in cases]


@pytest.mark.parametrize(
    ("name", "document", "problem"), CASES, ids=[f"{name}: {problem}" for name, _, problem in CASES]
)
async def test_a_document_is_refused_with_the_field(atlas: Atlas, name: str, document: Any, problem: str) -> None:
    if name == "seed":
        with pytest.raises(InvalidDocumentError, match=r"^seed: ") as caught:
            read(document)
        assert problem in str(caught.value)
        return
    before = await atlas.control("state")

    assert problem in await atlas.refused(name, document)

    assert await atlas.control("state") == before
