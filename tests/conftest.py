"""What all tests share."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("support.concurrent_cases", "support.resources")
pytest_plugins = ("support.running",)

# A gate that draws other examples each time fails for changes that are innocent, so it draws the same ones each time; new
# ones are drawn by the nightly run (--hypothesis-profile=random), which prints how to repeat what it finds. Deadlines measure
# how busy the machine is, and no more.
_common = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("gate", _common, derandomize=True, database=None)
settings.register_profile("random", _common, print_blob=True)
settings.load_profile("gate")
