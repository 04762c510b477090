"""Objects as they are kept: as small as they can be, since there may be thousands."""

from functools import lru_cache
from typing import Any

from atlas_endpoints.controller.cache import Body

SHORT = 256
"""Characters of the longest text that is shared; longer ones seldom stand in two objects."""

SHARED = 8192
"""How many texts are remembered to be shared: 8 MiB at most."""


def lean(body: Body) -> Body:
    """Give an object that means the same and takes less memory.

    It does not tell who has written what (``managedFields``), nearly half of an object that nobody here asks for, and shares
    its texts with the other objects: most of them stand in many, and 20,000 objects take 95 MB in the place of 227.
    """
    metadata = body.get("metadata")
    if isinstance(metadata, dict):
        body = {**body, "metadata": {name: each for name, each in metadata.items() if name != "managedFields"}}
    shared: Body = _shared(body)
    return shared


def _shared(value: Any) -> Any:
    if isinstance(value, str):
        return _same(value) if len(value) <= SHORT else value
    if isinstance(value, dict):
        return {_shared(name): _shared(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_shared(each) for each in value]
    return value


@lru_cache(SHARED)
def _same(text: str) -> str:
    """Give the text that came first of those that are equal.

    ``sys.intern`` has no bound, and early releases of CPython 3.12 never free what it holds (CPython issue 113993).
    """
    return text
