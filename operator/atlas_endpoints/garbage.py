"""When Python's garbage collector runs in the operator.

The operator keeps many objects for long, the resources above all, and makes few cycles: reference counts free nearly all
that it leaves. With Python's own thresholds the collector looks at everything again and again to find next to nothing: a
quarter of the processor time in a burst, and 0.4 s during which nothing else runs with 5,000 resources.
"""

import gc

YOUNG = 50_000
"""New objects after which the youngest generation is looked at, which takes a millisecond or two; Python's own value is 700,
which a single answer of an API server reaches."""

OLDER = 10
"""Collections of a generation for each one of the next; Python's own value, so that cycles are still found within minutes."""


def collect_seldom() -> None:
    """Look for cycles less often than Python does by itself; call it once, before there is much to look at."""
    gc.set_threshold(YOUNG, OLDER, OLDER)


def spare_what_stays() -> None:
    """Never look again at what is there now; call it when all that stays is there.

    What is spared is still freed by its reference count. A cycle that is left now would stay for ever, so cycles are
    collected first: this is the one time at which all is looked at.
    """
    gc.collect()
    gc.freeze()
