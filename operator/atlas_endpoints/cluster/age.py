"""How old a cached observation of an object may be."""

from enum import Enum, auto


class Age(Enum):
    """The oldest observation that a caller accepts. ``cluster.object_cache`` defines the seconds."""

    RECENT = auto()
    """Half a minute old. After a failed read: until the next read is due."""
    FRESH = auto()
    """A few seconds old, so that concurrent callers share one call."""
    ANEW = auto()
    """One whose read begins after this call."""
