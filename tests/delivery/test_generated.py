from __future__ import annotations

import pytest

from delivery.generated import GENERATED, Generated, readme


@pytest.mark.parametrize(
    "file",
    [
        # The README needs helm-docs, which the gate does not build.
        pytest.param(each, id=each.name, marks=[] if each.content is readme else [pytest.mark.gate])
        for each in GENERATED
    ],
)
def test_a_generated_file_is_what_make_generate_would_write(file: Generated) -> None:
    assert file.path.read_text(encoding="utf-8") == file.content()
