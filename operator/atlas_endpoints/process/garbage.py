"""When Python's garbage collector runs in the operator.

The operator keeps many objects for long, above all resources, and creates few cycles: reference counts free nearly
all garbage. With Python's own thresholds the collector checks everything again and again and finds next to nothing:
it takes a quarter of the processor time in a burst, and blocks for 0.4 s with 5,000 resources.
"""

import gc

YOUNG = 50_000
"""New objects before a collection of the youngest generation, which takes a millisecond or two. Python's own value is
700, which a single answer of an API server reaches."""

OLDER = 10
"""Collections of a generation for each one of the next; Python's own value, so that cycles are found within minutes."""


def raise_thresholds() -> None:
    """Collect less often than Python does by default; call it once, at the start."""
    gc.set_threshold(YOUNG, OLDER, OLDER)


def freeze() -> None:
    """Exclude all present objects from later collections; call it when the long-lived objects exist.

    Reference counts still free them. A cycle would stay forever, so cycles are collected first.
    """
    gc.collect()
    gc.freeze()
