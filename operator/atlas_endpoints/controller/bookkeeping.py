"""A mark for attributes on which no decision about a single object depends."""

from typing import Annotated, TypeAlias, TypeVar

T = TypeVar("T")

BOOKKEEPING = "bookkeeping"

Bookkeeping: TypeAlias = Annotated[T, BOOKKEEPING]
"""An index, a counter for fairness, or a time of last use, which follows from other state or changes only the order.

The explorer of tests/model ignores such attributes when it compares two states.
"""
