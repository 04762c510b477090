"""Reading the troubleshooting page."""

from __future__ import annotations

import pytest

from demo.troubleshooting import Paragraph, anchor, paragraph, row

PAGE = """# Troubleshooting

## Nothing at all

**Means:** nobody has seen it.

**Operator:** nothing.

**You:** look [here](operations.md).

**Healed:** it speaks.

## Ready

### MissingRole

**Means:** too weak.

**Operator:** asks again.

**You:** grant it.

**Healed:** see [Verified](#credentialsvalid).

### Half

**Means:** too little.

## CredentialsValid

| reason | status | meaning |
| --- | --- | --- |
| `Verified` | True | they [are](settings.md) |
"""


def test_the_four_parts_of_a_reason() -> None:
    told = paragraph(PAGE, "MissingRole")
    assert told == Paragraph("too weak.", "asks again.", "grant it.", "see Verified.")


def test_the_four_parts_under_a_heading_of_the_second_level() -> None:
    assert paragraph(PAGE, "Nothing at all").you == "look here."


@pytest.mark.parametrize("heading", ["Missing", "Half", "CredentialsValid"])
def test_without_four_parts_there_is_nothing_to_tell(heading: str) -> None:
    with pytest.raises(LookupError, match=heading):
        paragraph(PAGE, heading)


def test_the_row_of_a_condition() -> None:
    assert row(PAGE, "CredentialsValid", "Verified") == "they are"


@pytest.mark.parametrize(("condition", "reason"), [("CredentialsValid", "Other"), ("Ready", "Verified"), ("No", "No")])
def test_a_row_that_there_is_not(condition: str, reason: str) -> None:
    with pytest.raises(LookupError, match=reason):
        row(PAGE, condition, reason)


def test_the_address_of_a_heading() -> None:
    assert anchor("Nothing at all") == "docs/reasons.md#nothing-at-all"
