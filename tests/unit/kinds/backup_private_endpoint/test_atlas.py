"""Which buckets need an endpoint for backups."""

from typing import Any

import pytest

from atlas_endpoints.kinds.backup_private_endpoint import KIND, Bucket

buckets_in = KIND.reads["exportBuckets"].parse

SHOWN = {"_id": "1", "bucketName": "exports", "cloudProvider": "AWS", "region": "eu-west-1"}
BUCKETS: dict[str, tuple[dict[str, Any], Bucket]] = {
    "private": ({**SHOWN, "requirePrivateNetworking": True}, Bucket("exports", "eu-west-1", True)),
    "public": ({**SHOWN, "requirePrivateNetworking": False}, Bucket("exports", "eu-west-1", False)),
    "an older one, without region and switch": ({"_id": "1", "bucketName": "exports"}, Bucket("exports", None, False)),
    "an empty region": ({**SHOWN, "region": ""}, Bucket("exports", None, False)),
    "a word instead of the switch": ({**SHOWN, "requirePrivateNetworking": "no"}, Bucket("exports", "eu-west-1", True)),
}  # fmt: skip


@pytest.mark.parametrize("name", BUCKETS)
def test_a_bucket_is_read_leniently(name: str) -> None:
    item, expected = BUCKETS[name]
    assert buckets_in([item]) == (expected,)


@pytest.mark.parametrize("items", [None, {}, [None], [{"_id": "1"}], [SHOWN, {"bucketName": 0}, {"bucketName": ""}]])
def test_buckets_of_which_one_has_no_name_are_not_readable(items: Any) -> None:
    assert buckets_in(items) is None


def test_no_buckets_are_none() -> None:
    assert buckets_in([]) == ()
