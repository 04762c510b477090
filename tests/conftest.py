"""What all tests share."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ("support.running",)

# How long an example takes tells how busy the machine is, and no more.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

BEYOND_LUCK = 10
"""Exit status of a run whose failures are no matter of seconds: of a fixture, which also judges what a whole run wrote,
or of more than three tests. What fails otherwise ends with pytest's 1, and ``make test`` runs it once more, alone."""


class Failures:
    """Collects the failures of a run, and gives its end the exit status above."""

    def __init__(self) -> None:
        self._failed: list[pytest.TestReport] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep a failure of a test or of a fixture."""
        if report.failed:
            self._failed.append(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Say what kind of failures there were."""
        if len(self._failed) > 3 or any(report.when != "call" for report in self._failed):
            session.exitstatus = BEYOND_LUCK


def pytest_configure(config: pytest.Config) -> None:
    """Watch for failures where all reports arrive."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Failures())
