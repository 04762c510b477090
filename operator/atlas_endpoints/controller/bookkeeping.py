"""A mark for attributes on which no decision about a single object depends."""

from typing import Annotated, TypeAlias, TypeVar

T = TypeVar("T")

BOOKKEEPING = "bookkeeping"
"""What marks them among the annotations of a class."""

Bookkeeping: TypeAlias = Annotated[T, BOOKKEEPING]
"""An index, a counter for fairness among many, or when something was used last: what else is remembered says all.

The explorer of tests/model leaves such attributes out when it compares two states."""
