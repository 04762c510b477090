"""Asking Atlas for all endpoints of a project: pages, patience, and an instance that cannot be read."""

from __future__ import annotations

import io
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
from typing_extensions import override

from atlas_endpoints.atlas.credentials import ServiceAccount
from atlas_endpoints.atlas.errors import AtlasError, AtlasUnavailableError, MissingRoleError, RateLimitedError
from atlas_endpoints.importing.reading import FEW, endpoints_of, instances_of
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import PAGE, ServerlessInstance
from support.fake_atlas import FakeAtlas
from support.virtual_time import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.fake_atlas import Call

PROJECT = "5f" * 12
ACCOUNT = ServiceAccount("mdb_sa_id_0123", "mdb_sa_sk_0123")


def reading(answer: Callable[[str], Any]) -> FakeAtlas:
    """An Atlas that is only read, and answers by path."""

    def answered(call: Call) -> Any:
        assert (call.method, call.json) == ("GET", None), "an import only reads"
        return answer(call.path)

    return FakeAtlas(answered)


def described(name: str) -> dict[str, Any]:
    return {"name": name, "providerSettings": {"backingProviderName": "AWS", "regionName": "US_EAST_1"}}


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("instances", [0, 1, PAGE, PAGE + 1, 3 * PAGE])
@on_virtual_time
async def test_all_pages_are_read(instances: int, *, counted: bool) -> None:
    def page(path: str) -> dict[str, Any]:
        number = int(re.findall(r"pageNum=(\d+)", path)[0])
        items = [described(f"i-{each}") for each in range(instances)][(number - 1) * PAGE : number * PAGE]
        return {"results": items, "links": [], **({"totalCount": instances} if counted else {})}

    found = await instances_of(reading(page), ACCOUNT, PROJECT)

    assert [each.name for each in found] == [f"i-{each}" for each in range(instances)]
    assert {(each.provider, each.region) for each in found} <= {("AWS", "US_EAST_1")}


@on_virtual_time
async def test_a_page_that_holds_fewer_than_asked_for_is_not_the_last_when_atlas_counts_more() -> None:
    pages = iter([{"results": [described("a")], "totalCount": 2}, {"results": [described("b")], "totalCount": 2}])

    found = await instances_of(reading(lambda _: next(pages)), ACCOUNT, PROJECT)

    assert [each.name for each in found] == ["a", "b"]


@on_virtual_time
async def test_items_that_are_no_instances_are_skipped() -> None:
    odd = [None, {}, {"name": 7}, {"name": ""}, {"name": "x" * 65}]
    page = {"results": [*odd, {"name": "a", "providerSettings": {"regionName": "x" * 65}}], "totalCount": 6}

    assert await instances_of(reading(lambda _: page), ACCOUNT, PROJECT) == (ServerlessInstance("a"),)


@pytest.mark.parametrize("answer", [None, [], {}, {"results": None}, {"results": [described("a")] * (PAGE + 1)}])
@on_virtual_time
async def test_an_answer_that_is_no_page_is_an_error(answer: Any) -> None:
    with pytest.raises(AtlasUnavailableError):
        await instances_of(reading(lambda _: answer), ACCOUNT, PROJECT)


UNAVAILABLE = AtlasUnavailableError("Atlas does not answer.", operation="list")
LIMITED = RateLimitedError("Slow down.", operation="list", retry_after=60.0)
FORBIDDEN = MissingRoleError("The role is too weak.", operation="list")


@pytest.mark.parametrize(
    ("failures", "refusal", "calls"),
    [
        pytest.param([UNAVAILABLE, LIMITED], None, 3, id="what passes is asked for again"),
        pytest.param([UNAVAILABLE] * 3, UNAVAILABLE, 3, id="three times at most"),
        pytest.param([FORBIDDEN], FORBIDDEN, 1, id="what does not pass is told at once"),
    ],
)
@on_virtual_time
async def test_how_often_atlas_is_asked(failures: list[AtlasError], refusal: AtlasError | None, calls: int) -> None:
    answers: list[Any] = [*failures, [{"_id": "a1" * 12}]]
    atlas = reading(lambda _: answers.pop(0))

    (found,) = await endpoints_of(atlas, ACCOUNT, PROJECT, [ServerlessInstance("shop")])

    assert (found.refusal, len(atlas.calls)) == (refusal, calls)
    assert [each.id for each in found.endpoints] == ([] if refusal else ["a1" * 12])


@on_virtual_time
async def test_an_unreadable_instance_does_not_affect_the_others() -> None:
    def answer(path: str) -> Any:
        return FORBIDDEN if "/shop/" in path else [{"_id": "a1" * 12}, {}]

    shop, web = await endpoints_of(
        reading(answer), ACCOUNT, PROJECT, [ServerlessInstance("shop"), ServerlessInstance("web")]
    )

    assert (shop.refusal, shop.endpoints) == (FORBIDDEN, ())
    assert (web.refusal, len(web.endpoints), web.skipped) == (None, 1, 1)


class Terminal(io.StringIO):
    """A terminal that keeps what it shows."""

    @override
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "instances", "shown"),
    [
        pytest.param(Terminal(), FEW + 1, True, id="a terminal"),
        pytest.param(Terminal(), FEW, False, id="few instances"),
        pytest.param(io.StringIO(), FEW + 1, False, id="no terminal"),
    ],
)
@on_virtual_time
async def test_a_progress_bar_is_shown_on_a_terminal(
    stream: io.StringIO, instances: int, *, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)

    await endpoints_of(reading(lambda _: []), ACCOUNT, PROJECT, [ServerlessInstance("shop")] * instances)

    assert ("Instances" in stream.getvalue()) == shown
