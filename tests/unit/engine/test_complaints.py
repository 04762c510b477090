"""Which failures are worth a line."""

from atlas_endpoints.engine.complaints import Complaints


def test_a_cause_is_told_when_it_is_new_and_for_each_tenfold_of_its_keys() -> None:
    complaints = Complaints[int]()
    told = [complaints.failed(key, f'things "{key}" is forbidden') for key in range(1000)]
    assert [count for count in told if count] == [1, 10, 100, 1000]


def test_a_key_that_goes_on_failing_counts_once() -> None:
    complaints = Complaints[str]()
    assert [complaints.failed("a", "refused") for _ in range(100)] == [1] + [0] * 99


def test_a_key_that_fails_for_another_cause_is_news() -> None:
    complaints = Complaints[str]()
    assert [complaints.failed("a", text) for text in ("one", "two", "two")] == [1, 1, 0]


def test_a_cause_that_meets_nobody_any_more_is_news_when_it_is_back() -> None:
    complaints = Complaints[str]()
    complaints.failed("a", "refused")
    complaints.failed("b", "refused")
    complaints.mended("a")
    assert complaints.failed("a", "refused") == 0, "b fails still"
    complaints.mended("a")
    complaints.mended("b")
    complaints.mended("b")
    assert complaints.failed("a", "refused") == 1
