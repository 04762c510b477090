from __future__ import annotations

import pytest

from benchmarks.exposition import total

EXPOSITION = """\
# HELP passes_total Passes.
# TYPE passes_total counter
passes_total{result="done"} 40.0
passes_total{result="a } b"} 2.0
passes_total_created{result="done"} 1.7e+09
depth 3
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("passes_total", 42.0, id="of several series is their sum, without those of a longer name"),
        pytest.param("depth", 3.0, id="without labels is its value"),
        pytest.param("unknown", 0.0, id="that is not there is nothing"),
    ],
)
def test_a_metric(name: str, expected: float) -> None:
    assert total(EXPOSITION, name) == expected
