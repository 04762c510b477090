"""Token buckets, as Atlas limits the rate of requests."""

from dataclasses import dataclass
from math import ceil

from atlas_endpoints.simulator.errors import ApiError
from atlas_endpoints.simulator.switches import RateLimit


@dataclass(slots=True)
class Bucket:
    """One bucket; it is refilled in steps, a whole ``refillRate`` every ``refillDurationSeconds``."""

    limit: RateLimit
    refilled: float
    tokens: int

    @classmethod
    def full(cls, limit: RateLimit, now: float) -> "Bucket":
        """Return a full bucket whose first step of refilling begins now."""
        return cls(limit, now, limit.capacity)

    def take(self, now: float, path: str, *, headers: bool) -> dict[str, str]:
        """Take one token.

        Args:
            now: Seconds since 1970.
            path: The path asked for, which the error names.
            headers: Whether the answer tells the state of the bucket.

        Returns:
            The header fields of the answer.

        Raises:
            ApiError: The bucket is empty.
        """
        step = self.limit.refill_duration_seconds
        steps = int((now - self.refilled) // step)
        if steps > 0:
            self.tokens = min(self.limit.capacity, self.tokens + steps * self.limit.refill_rate)
            self.refilled += steps * step
        if self.tokens == 0:
            wait = max(1, ceil(self.refilled + step - now))
            raise self._exceeded(path.lstrip("/"), wait, headers=headers)
        self.tokens -= 1
        return self._headers() if headers else {}

    def _headers(self) -> dict[str, str]:
        return {"RateLimit-Limit": str(self.limit.capacity), "RateLimit-Remaining": str(self.tokens)}

    def _exceeded(self, path: str, wait: int, *, headers: bool) -> ApiError:
        capacity, rate, seconds = self.limit.capacity, self.limit.refill_rate, self.limit.refill_duration_seconds
        return ApiError(
            429,
            "RATE_LIMITED_TOKEN_BUCKET",
            f"Rate limit exceeded for {path}. Please retry after {wait} seconds. "
            f"Request capacity: {capacity}. Refill rate: {rate} per {seconds} seconds.",
            path,
            wait,
            capacity,
            rate,
            seconds,
            headers=self._headers() | {"Retry-After": str(wait)} if headers else None,
        )
