"""How long a command waits before it repeats a call to Atlas, and what it says meanwhile. Pure."""

from atlas_endpoints.atlas.errors import RateLimitedError


def pause(reason: str | None, attempt: int, asked: float | None) -> float:
    """Return the seconds to wait: as long as Atlas asks, else longer with each failed attempt.

    Args:
        reason: of the condition ``Ready``.
        attempt: the number of failed ones.
        asked: the seconds that Atlas asks for; None or 0: it names no time.
    """
    # Atlas recommends 10 s after the first limited call, and twice as long after each further one.
    return asked or (10.0 * 2.0 ** (attempt - 1) if reason == RateLimitedError.reason else 3.0**attempt)


def cause(reason: str | None) -> str:
    """Return the sentence about the cause of a wait, for users; ``reason`` is None if no call has failed."""
    if reason is None:
        return "Another call is under way."
    return f"Atlas {'limits the rate of calls' if reason == RateLimitedError.reason else 'gives no usable answer'}."


def no_time(reason: str | None, seconds: float) -> str:
    """Return what is said about a wait for which there is no time, for users."""
    return f"{cause(reason)} The next call has to wait {seconds:.0f} s, and there is no time left for that."


def waiting(reason: str | None, seconds: float) -> str:
    """Return what is said about a wait, for users."""
    return f"{cause(reason)} Waiting {seconds:.0f} s before the next call."
