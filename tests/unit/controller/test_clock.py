"""The clock of the running operator."""

import time

from atlas_endpoints.controller.clock import boottime


def test_boottime_is_never_behind_monotonic_time() -> None:
    before = time.monotonic()
    first, second = boottime(), boottime()
    assert before <= first <= second
