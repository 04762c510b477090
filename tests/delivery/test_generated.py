from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from delivery.generated import GENERATED, Generated

if TYPE_CHECKING:
    from delivery.programs import DeliveryPrograms


@pytest.mark.parametrize("file", GENERATED, ids=lambda file: file.name)
def test_a_generated_file_is_what_make_generate_would_write(file: Generated, programs: DeliveryPrograms) -> None:
    assert file.path.read_text(encoding="utf-8") == file.content(programs)
