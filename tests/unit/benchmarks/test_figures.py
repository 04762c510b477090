from __future__ import annotations

import pytest

from benchmarks.figures import Summary, percentile, shown


@pytest.mark.parametrize(
    ("percent", "expected"),
    [
        pytest.param(50, 50, id="the median of a hundred is the fiftieth"),
        pytest.param(99, 99, id="the 99th of a hundred leaves one out"),
        pytest.param(100, 100, id="the hundredth leaves none out"),
        pytest.param(0.5, 1, id="a share below one value is the smallest"),
    ],
)
def test_a_percentile_is_the_nearest_rank(percent: float, expected: float) -> None:
    assert percentile([float(value) for value in range(100, 0, -1)], percent) == expected


def test_all_percentiles_of_one_value_are_that_value() -> None:
    assert [percentile([7.0], percent) for percent in (1, 50, 99)] == [7.0] * 3


def test_rounds_are_summed_up_by_their_median_and_their_extremes() -> None:
    assert Summary.of([5.0, 1.0, 2.0]) == Summary(median=2.0, low=1.0, high=5.0)
    assert Summary.of([4.0]) == Summary(4.0, 4.0, 4.0)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(0.0, "0", id="nothing"),
        pytest.param(0.8512, "0.851", id="less than one"),
        pytest.param(1.6, "1.60", id="a few"),
        pytest.param(46.18, "46.2", id="tens"),
        pytest.param(238.4, "238", id="hundreds"),
        pytest.param(6012.3, "6,012", id="thousands"),
        pytest.param(-2.5, "-2.50", id="less than nothing"),
    ],
)
def test_a_figure_is_shown_with_three_digits(value: float, expected: str) -> None:
    assert shown(value) == expected
