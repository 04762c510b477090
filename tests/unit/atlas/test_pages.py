"""A LIST that comes in pages: it succeeds as a whole, or it proves nothing."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from atlas_endpoints.atlas.answers import MOST_PAGES, Answer, send_list
from atlas_endpoints.atlas.credentials import ApiKey, Credentials
from atlas_endpoints.atlas.errors import AtlasUnavailableError
from atlas_endpoints.atlas.requests import PAGE, Request

if TYPE_CHECKING:
    from collections.abc import Sequence

LIST = Request("listThings", "GET", "/api/atlas/v2/groups/1/things", paged=True)
PAIR = ApiKey("a", "b")
NEXT = [{"rel": "self", "href": "http://localhost:8080/"}, {"rel": "next", "href": "http://elsewhere.example.com/"}]


def things(first: int, last: int) -> list[dict[str, str]]:
    return [{"id": str(number)} for number in range(first, last + 1)]


def page(items: object, **more: Any) -> dict[str, Any]:
    return {"links": [], "results": items, "totalCount": 1, **more}


class Pages:
    """An Atlas that has these pages, and after the last one that one again."""

    base_url = "https://cloud.mongodb.com"

    def __init__(self, *pages: Any) -> None:
        self.pages: Sequence[Any] = pages
        self.then: Sequence[Any] = ()
        """The pages of the second reading, if they are others."""
        self.asked: list[str] = []

    async def request(self, credentials: Credentials, request: Request) -> Answer:
        self.asked.append(request.path)
        if len(self.asked) > len(self.pages) and self.then:
            self.pages, self.then = self.then, ()
        (number,) = re.findall(r"[?&]pageNum=(\d+)", request.path)
        found = self.pages[min(int(number), len(self.pages)) - 1]
        if isinstance(found, Exception):
            raise found
        return Answer(200, found, size=len(json.dumps(found)))


async def entries(*pages: Any) -> set[str]:
    found = await send_list(Pages(*pages), PAIR, LIST, lambda item: (item["id"], item))  # type: ignore[index]
    return {*found.entries}


WHOLE: dict[str, list[Any]] = {
    "an empty page": [page([])],
    "one page, whatever the estimate": [page(things(1, 3), totalCount=700)],
    "one page without an estimate": [{"results": things(1, 3)}],
    "two full pages and a rest": [
        page(things(1, PAGE)),
        page(things(PAGE + 1, 2 * PAGE)),
        page(things(2 * PAGE + 1, 2 * PAGE + 1)),
    ],
    "a full page with nothing after it": [page(things(1, PAGE)), page([])],
    "a page of 4 MiB": [page([{"id": "1", "comment": "x" * 4 * 1024 * 1024}])],
    "a full page with an estimate of one, and a rest": [
        page(things(1, PAGE), totalCount=1),
        page(things(PAGE + 1, PAGE + 1)),
    ],
    "one page with an estimate below none": [page(things(1, 3), totalCount=-1)],
    "one page with an estimate that is no number": [page(things(1, 3), totalCount="many")],
    "a short page with a link to another one": [page(things(1, 100), links=NEXT), page(things(101, 120))],
}
BROKEN: dict[str, list[Any]] = {
    "no page": [[{"id": "1"}]],
    "a page without results": [{"totalCount": 0}],
    "results that are no array": [page({"id": "1"})],
    "a second page that is not readable": [page(things(1, PAGE)), None],
    "a second page that fails": [page(things(1, PAGE)), AtlasUnavailableError("Later.", operation="listThings")],
    "a page that repeats": [page(things(1, PAGE))],
    "a second page that repeats the first one, beyond a link": [page(things(1, 3), links=NEXT), page(things(1, 3))],
    "a page that repeats one item": [page(things(1, PAGE)), page(things(PAGE, PAGE + 3))],
    "links to other pages without end": [page([], links=NEXT)],
    "more items on two pages than on all that are read": [
        page(things(1, 15_000), links=NEXT),
        page(things(15_001, 30_000), links=NEXT),
        page([]),
    ],
    "more text on two pages than in one answer": [
        page(things(1, 1), links=NEXT, text="x" * (3 << 20)),
        page(things(2, 2), links=NEXT, text="x" * (3 << 20)),
        page([]),
    ],
}


@pytest.mark.parametrize("case", WHOLE)
async def test_a_list_has_the_items_of_all_pages(case: str) -> None:
    expected = [item["id"] for each in WHOLE[case] for item in each["results"]]
    assert sorted(await entries(*WHOLE[case])) == sorted(expected)


@pytest.mark.parametrize("case", BROKEN)
async def test_a_list_that_is_not_read_as_a_whole_fails(case: str) -> None:
    with pytest.raises(AtlasUnavailableError):
        await entries(*BROKEN[case])


MOVING: dict[str, tuple[list[list[dict[str, str]]], list[list[dict[str, str]]]]] = {
    "one moves to a page that was read": ([things(1, 2), things(4, 4)], [things(2, 3), things(4, 4)]),
    "one more on the last page": ([things(1, 2), things(3, 3)], [things(1, 2), things(3, 4)]),
    "one fewer, so that one page is left": ([things(1, 2), things(3, 3)], [things(1, 1)]),
    "one becomes another one": ([things(1, 2), things(3, 3)], [things(1, 2), things(4, 4)]),
}


@pytest.mark.parametrize("case", MOVING)
async def test_pages_that_differ_when_they_are_read_again_are_no_whole(case: str) -> None:
    first, second = ([page(each, links=NEXT if each is not of[-1] else []) for each in of] for of in MOVING[case])
    atlas = Pages(*first)
    atlas.then = second
    with pytest.raises(AtlasUnavailableError):
        await send_list(atlas, PAIR, LIST, lambda item: (item["id"], item))  # type: ignore[index]


async def test_pages_are_asked_for_by_number_and_bounded() -> None:
    atlas = Pages(page([], links=NEXT))
    with pytest.raises(AtlasUnavailableError):
        await send_list(atlas, PAIR, LIST, lambda _: None)

    assert atlas.asked[:2] == [f"{LIST.path}?itemsPerPage=500&pageNum={number}" for number in (1, 2)]
    assert len(atlas.asked) == MOST_PAGES


async def test_pages_of_large_items_are_shorter() -> None:
    listing = Request("listLargeThings", "GET", LIST.path, paged=True, page_size=2)
    atlas = Pages(page(things(1, 2)), page(things(3, 4)), page(things(5, 5)))
    found = await send_list(atlas, PAIR, listing, lambda item: (item["id"], item))  # type: ignore[index]

    assert sorted(found.entries) == ["1", "2", "3", "4", "5"]
    assert atlas.asked[0] == f"{LIST.path}?itemsPerPage=2&pageNum=1"
