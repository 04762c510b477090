"""How old a reading of an object may be, for who asks for one."""

from enum import Enum, auto


class Age(Enum):
    """The oldest reading that will do.

    What each costs and how many seconds it is, ``cluster.object_cache`` says.
    """

    RECENT = auto()
    """Of half a minute ago; and that an object could not be had is believed until it is due to be asked for again."""
    FRESH = auto()
    """Of a moment ago, so that many who ask at once cost one call."""
    ANEW = auto()
    """None that has begun already, since what it holds is known to be of no use."""
