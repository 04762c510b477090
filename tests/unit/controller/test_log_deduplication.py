"""Which failures are worth a line."""

from atlas_endpoints.controller.log_lines import LogDeduplicator


def test_a_cause_is_logged_when_it_is_new_and_for_each_tenfold_of_its_keys() -> None:
    log_deduplication = LogDeduplicator[int]()
    counts = [log_deduplication.failed(key, f'things "{key}" is forbidden') for key in range(1000)]
    assert [count for count in counts if count] == [1, 10, 100, 1000]


def test_a_key_that_keeps_failing_counts_once() -> None:
    log_deduplication = LogDeduplicator[str]()
    assert [log_deduplication.failed("a", "refused") for _ in range(100)] == [1] + [0] * 99


def test_another_cause_of_the_same_key_is_logged() -> None:
    log_deduplication = LogDeduplicator[str]()
    assert [log_deduplication.failed("a", text) for text in ("one", "two", "two")] == [1, 1, 0]


def test_a_cause_that_returns_is_logged_again() -> None:
    log_deduplication = LogDeduplicator[str]()
    log_deduplication.failed("a", "refused")
    log_deduplication.failed("b", "refused")
    log_deduplication.recovered("a")
    assert log_deduplication.failed("a", "refused") == 0, "b fails still"
    log_deduplication.recovered("a")
    log_deduplication.recovered("b")
    log_deduplication.recovered("b")
    assert log_deduplication.failed("a", "refused") == 1
