"""`make demo-broken` without a terminal: the same set-ups, broken and healed, their answers at once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from demo import troubleshooting
from demo.set_ups import SET_UPS

ROOT = Path(__file__).parents[2]


def test_each_set_up_has_the_expected_status_and_the_solution_of_the_page() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo.broken"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": "tests:hack"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    _, *told = re.split(rf"^== \d+ of {len(SET_UPS)}: the team ", done.stdout, flags=re.MULTILINE)
    assert [each.partition(" ")[0] for each in told] == [each.team for each in SET_UPS]
    for set_up, text in zip(SET_UPS, told, strict=True):
        question, answer = text.split(f"\n== {set_up.heading}: ")
        assert f"$ kubectl -n {set_up.team} {' '.join(set_up.look)}\n" in question
        assert set_up.message in question
        assert f"{troubleshooting.anchor(set_up.heading)} says:" in answer
        assert "\nok: healed\n" in answer
    assert "mdb_sa_sk_" not in done.stdout
