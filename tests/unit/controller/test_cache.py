"""The cache: changes, noise, stale bodies and deletions."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_endpoints.controller.cache import Body, Cache, Key, ListedObjects, News, key_of
from support.named import NAMED

KEY = Key("ServerlessPrivateEndpoint", "default", "a")
WATCHED = "example.dev/force"


def body(
    *,
    uid: str = "first",
    version: int = 10,
    generation: int = 1,
    created: str = "2026-11-25T10:00:00Z",
    **metadata: Any,
) -> Body:
    return {
        **NAMED,
        "metadata": {
            "namespace": KEY.namespace,
            "name": KEY.name,
            "uid": uid,
            "resourceVersion": str(version),
            "generation": generation,
            "creationTimestamp": created,
            **metadata,
        },
        "status": {"version": version},
    }


def watched(body: Body) -> Mapping[str, str]:
    annotations = body["metadata"].get("annotations", {})
    return {name: value for name, value in annotations.items() if name == WATCHED}


@pytest.fixture
def cache() -> Cache:
    return Cache(watched)


FIRST = body(version=10, generation=2)

EFFECTS: dict[str, tuple[Body, News]] = {
    "the same again is noise": (FIRST, News.NOISE),
    "a newer generation is a change": (body(version=11, generation=3), News.CHANGED),
    "a deletion that has begun is a change": (
        body(version=11, generation=2, deletionTimestamp="2026-11-25T11:00:00Z"),
        News.CHANGED,
    ),
    "a watched annotation is a change": (body(version=11, generation=2, annotations={WATCHED: "1"}), News.CHANGED),
    "somebody else's annotation is noise": (body(version=11, generation=2, annotations={"other": "1"}), News.NOISE),
    "a label is noise": (body(version=11, generation=2, labels={"team": "blue"}), News.NOISE),
    "a status is noise": (body(version=11, generation=2), News.NOISE),
    "a finalizer is noise": (body(version=11, generation=2, finalizers=["somebody.else/x"]), News.NOISE),
    "an earlier version is the past": (body(version=9, generation=2), News.STALE),
    "versions are numbers, not text": (body(version=9, generation=2, labels={"team": "blue"}), News.STALE),
    "an earlier generation is the past": (body(version=8, generation=1), News.STALE),
    "an earlier generation is the past whatever its version": (body(version=11, generation=1), News.STALE),
    "a later version with more digits is no past": (body(version=100, generation=2), News.NOISE),
    "another object of the name is a change though its generation is lower": (
        body(uid="second", version=20, generation=1, created="2026-11-25T10:05:00Z"),
        News.CHANGED,
    ),
    "another object that was created in the same second is told by its version": (
        body(uid="second", version=20, generation=1),
        News.CHANGED,
    ),
    "an earlier object that was created in the same second is the past": (
        body(uid="zeroth", version=5, generation=7),
        News.STALE,
    ),
    "another object is a change though it was created by a server whose clock is behind": (
        body(uid="second", version=20, generation=1, created="2026-11-25T09:59:58Z"),
        News.CHANGED,
    ),
    "an earlier object is the past though it was created by a server whose clock is ahead": (
        body(uid="zeroth", version=5, generation=1, created="2026-11-25T10:00:05Z"),
        News.STALE,
    ),
}


@pytest.mark.parametrize(("later", "effect"), EFFECTS.values(), ids=EFFECTS)
def test_the_effect_of_a_body_after_a_cached_one(cache: Cache, later: Body, effect: News) -> None:
    assert cache.put(FIRST) is News.CHANGED
    assert cache.put(later) is effect
    assert cache.get(KEY) is (FIRST if effect is News.STALE else later)
    assert len(cache) == 1


@pytest.mark.parametrize("differs", [{}, {"version": 11}, {"labels": {"team": "shop"}}])
def test_only_an_equal_object_is_known(cache: Cache, differs: dict[str, Any]) -> None:
    cache.put(FIRST)
    read = body(**{"version": 10, "generation": 2, **differs})
    assert cache.known(read) is (read if differs else FIRST)


@given(order=st.permutations(range(8)), doubled=st.lists(st.integers(min_value=0, max_value=7), max_size=4))
def test_the_newest_body_is_kept_in_any_order_of_arrival(order: Sequence[int], doubled: list[int]) -> None:
    """Two lives of one name, four versions each."""
    history = [
        body(uid=uid, version=10 * life + version, generation=1 + version // 2)
        for life, uid in enumerate(["first", "second"])
        for version in range(4)
    ]
    cache = Cache(watched)
    for moment in [*order, *doubled]:
        before = cache.get(KEY)
        effect = cache.put(history[moment])
        assert (effect is News.STALE) == (before is not None and history.index(before) > moment)
    assert cache.get(KEY) == history[-1]


def test_the_newest_version_never_decreases(cache: Cache) -> None:
    assert cache.newest == 0
    cache.put(body(version=10))
    cache.put(body(version=12))
    cache.put(body(version=11))
    cache.remove(KEY, "first")
    cache.put(body(uid="second", version=9))
    assert cache.newest == 12


def test_a_removed_object_may_return_and_another_one_of_its_name_stays(cache: Cache) -> None:
    """As one returns whose labels are selected again; its deletion event was none of the object itself."""
    cache.put(FIRST)
    assert cache.remove(KEY, "first")
    assert (cache.get(KEY), cache.holds(KEY, "first"), cache.remove(KEY, "first")) == (None, False, False)
    assert cache.put(body(version=12, generation=2)) is News.CHANGED
    cache.put(body(uid="second", version=20))
    assert not cache.remove(KEY, "first")
    assert cache.holds(KEY, "second")


def named(name: str, *, uid: str, version: int = 10, generation: int = 1) -> Body:
    found = deepcopy(dict(body(uid=uid, version=version, generation=generation)))
    found["metadata"]["name"] = name
    return found


A, B = (named(name, uid=f"uid of {name}") for name in "ab")
A_AGAIN = named("a", uid="another uid", version=20)
MODIFIED_A = named("a", uid="uid of a", version=11)
EARLIER_A = named("a", uid="uid of a", version=12, generation=0)
BEFORE_A, FORMER_A = named("a", uid="uid of a", version=9), named("a", uid="uid before a", version=5)


@dataclass(frozen=True)
class Compared:
    """The cached and the listed objects, what the watch adds (+) or removes (-) during the LIST, and the result."""

    known: str
    listed: str
    gone: str
    standing: str
    meanwhile: str = ""


OBJECTS = {"a": A, "b": B, "A": A_AGAIN, "m": MODIFIED_A}
"""``A`` is another object with the name of ``a``, and ``m`` a newer state of ``a``."""

COMPARISONS: dict[str, Compared] = {
    "nothing has changed": Compared("ab", "ab", "", "ab"),
    "at start all is new": Compared("", "ab", "", "ab"),
    "an object that is not listed has vanished": Compared("ab", "b", "a", "b"),
    "all objects have vanished": Compared("ab", "", "ab", ""),
    "another object of the name does not replace the vanished one": Compared("a", "A", "a", "A"),
    "an object that the watch adds during the LIST has not vanished": Compared("a", "a", "", "a", meanwhile="+b"),
    "the LIST does not restore an object that the watch removes": Compared("ab", "ab", "", "b", meanwhile="-a"),
    "an object that the watch removes does not vanish again": Compared("ab", "b", "", "b", meanwhile="-a"),
    "an object that the LIST shows older stands": Compared("a", "a", "", "a", meanwhile="+m"),
    "an object whose name another one gets does not vanish again": Compared("a", "A", "", "A", meanwhile="+A"),
    "the LIST does not restore an object whose name is taken": Compared("a", "a", "", "", meanwhile="-a +A"),
    "the LIST does not restore an object that came and went": Compared("", "ab", "", "b", meanwhile="+a -a"),
}


@pytest.mark.parametrize("row", COMPARISONS.values(), ids=COMPARISONS)
def test_the_comparison_with_a_list(cache: Cache, row: Compared) -> None:
    for each in row.known:
        cache.put(OBJECTS[each])
    with cache.listing() as running:
        for change in row.meanwhile.split():
            changed = OBJECTS[change[1]]
            if change.startswith("+"):
                cache.put(changed)
            else:
                cache.remove(key_of(changed), changed["metadata"]["uid"])
    listed = [OBJECTS[each] for each in row.listed]
    assert running.vanished(listed) == [(key_of(OBJECTS[each]), OBJECTS[each]["metadata"]["uid"]) for each in row.gone]
    assert [each for each in listed if running.stands(each)] == [OBJECTS[each] for each in row.standing]


def test_only_a_body_that_differs_replaces_the_cached_one(cache: Cache) -> None:
    """Also one of the same version with more fields, as an API server shows that knows a newer schema."""
    cache.put(A)
    assert cache.put(deepcopy(A)) is News.NOISE
    assert cache.get(key_of(A)) is A
    whole = {**A, "spec": {"tomorrow": "never dies"}}
    assert cache.put(whole) is News.NOISE
    assert cache.get(key_of(A)) is whole


LISTINGS: dict[str, tuple[ListedObjects, bool]] = {
    "as new as what is known": (ListedObjects([A, B], 10), False),
    "newer": (ListedObjects([A, MODIFIED_A], 12), False),
    "older as a whole, though no object shows it": (ListedObjects([], 9), True),
    "newer as a whole, with an object as it was before": (ListedObjects([BEFORE_A, B], 12), True),
    "newer as a whole, with an object of an earlier generation": (ListedObjects([EARLIER_A], 12), True),
    "with a former object of the name, whose version does not count": (ListedObjects([FORMER_A], 12), False),
}


@pytest.mark.parametrize(("listing", "is_stale"), LISTINGS.values(), ids=LISTINGS)
def test_a_list(cache: Cache, listing: ListedObjects, is_stale: bool) -> None:
    for each in (A, B):
        cache.put(each)
    with cache.listing() as running:
        cache.put(named("a", uid="uid of a", version=20))  # what comes meanwhile may well be newer
    assert running.is_stale(listing) == is_stale


def test_a_comparison_ignores_deletions_before_and_after_it(cache: Cache) -> None:
    """Or else an object that comes back into view of a selector would never be taken in again."""
    for each in (A, B):
        cache.put(each)
    cache.remove(key_of(A), "uid of a")
    with cache.listing() as running:
        pass
    cache.remove(key_of(B), "uid of b")
    assert all(map(running.stands, (MODIFIED_A, B)))
