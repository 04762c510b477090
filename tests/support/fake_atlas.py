"""The port through which the operator calls Atlas, without an Atlas: a test says what each call is answered with."""

from __future__ import annotations

from inspect import isawaitable
from typing import TYPE_CHECKING, Any, NamedTuple

from atlas_endpoints.atlas.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from atlas_endpoints.atlas.credentials import Credentials
    from atlas_endpoints.atlas.requests import Request


class Call(NamedTuple):
    """A call to Atlas."""

    method: str
    path: str
    json: object
    credentials: Credentials


class FakeAtlas:
    """A client of Atlas whose answers a function gives.

    Args:
        answer: takes a call, and gives the JSON of the answer, the whole answer, the error that the call ends in, or an
            awaitable of one of these.

    Attributes:
        answer: as given; tests change it.
        calls: those that were made.
    """

    base_url = "https://atlas.example.com"

    def __init__(self, answer: Callable[[Call], Any] = lambda _: []) -> None:
        self.answer = answer
        self.calls: list[Call] = []

    async def request(self, credentials: Credentials, request: Request) -> Answer:
        assert request.operation
        call = Call(request.method, request.path, request.body, credentials)
        self.calls.append(call)
        found = self.answer(call)
        if isawaitable(found):
            found = await found
        if isinstance(found, BaseException):
            raise found
        return found if isinstance(found, Answer) else Answer(200, found)
