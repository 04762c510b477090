"""The failures that are logged."""

from atlas_endpoints.controller.log_lines import LogDeduplicator


def test_a_cause_is_logged_when_it_is_new_and_for_each_tenfold_of_its_keys() -> None:
    deduplicator = LogDeduplicator[int]()
    counts = [deduplicator.failed(key, f'things "{key}" is forbidden') for key in range(1000)]
    assert [count for count in counts if count] == [1, 10, 100, 1000]


def test_a_cause_is_new_for_a_key_with_another_one_and_after_all_its_keys_have_recovered() -> None:
    deduplicator = LogDeduplicator[str]()
    assert [deduplicator.failed("a", cause) for cause in ("one", "one", "two", "two")] == [1, 0, 1, 0]
    deduplicator.failed("b", "two")
    deduplicator.recovered("a")
    assert deduplicator.failed("a", "two") == 0, "b still fails"
    for key in ("a", "b", "b"):
        deduplicator.recovered(key)
    assert deduplicator.failed("a", "two") == 1
