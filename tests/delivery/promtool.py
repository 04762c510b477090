"""promtool, Prometheus's own checker: whether it can read metrics and alerts, and when these fire."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from control_plane.go_build import CACHE, QUICK_FLAGS, GoModule, ensure_built

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MODULE = Path(__file__).resolve().parent / "prometheus"
PACKAGE = "github.com/prometheus/prometheus/cmd/promtool"


def provide_promtool(target: Path = CACHE / "promtool") -> Path:
    """Give the program, built if needed."""
    module = GoModule(
        title="promtool",
        folder=MODULE,
        programs={"promtool": PACKAGE},
        links={},
        # Without all that finds targets in clouds, which is most of Prometheus.
        flags=[*QUICK_FLAGS, "-tags", "remove_all_sd", "-ldflags", "-s -w"],
        patience="2 to 4 minutes on 2 cores",
    )
    return ensure_built(module, target) / "promtool"


@dataclass(frozen=True, slots=True)
class Promtool:
    """Looks at metrics and rules.

    Attributes:
        program: The executable.
        folder: For the files that it reads.
    """

    program: Path
    folder: Path

    def check(self, groups: Sequence[Mapping[str, Any]]) -> None:
        """Check that Prometheus can read groups of rules; a ValueError says what it cannot, or what is better not done."""
        self._run("check", "rules", "--lint=all", "--lint-fatal", self._rules(groups))

    def check_metrics(self, exposition: str) -> None:
        """Check that metrics are named and described as Prometheus wants it; a ValueError says what is not."""
        self._run("check", "metrics", stdin=exposition)

    def expect(
        self, groups: Sequence[Mapping[str, Any]], *, firing: str | None, series: Mapping[str, str], minutes: int
    ) -> None:
        """Expect that one alert fires after some minutes, or none; a ValueError says which others do.

        Series have samples in promtool's notation, one a minute.
        """
        self._rules(groups)
        expectation = {
            "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
            "eval_time": f"{minutes}m",
            "exp_samples": [{"labels": f'{{alertname="{firing}"}}', "value": 1}] if firing else [],
        }
        test = {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [expectation],
        }
        path = self.folder / "test.yaml"
        path.write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}))
        self._run("test", "rules", path)

    def _rules(self, groups: Sequence[Mapping[str, Any]]) -> Path:
        path = self.folder / "rules.yaml"
        path.write_text(yaml.safe_dump({"groups": list(groups)}))
        return path

    def _run(self, *arguments: str | Path, stdin: str = "") -> None:
        done = subprocess.run([self.program, *arguments], input=stdin, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ValueError(done.stdout + done.stderr)
