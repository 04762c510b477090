"""Objects as they are kept: as small as they can be, since there may be thousands."""

import sys
from typing import Any

from atlas_endpoints.engine.store import Body


def lean(body: Body) -> Body:
    """Give an object that means the same and takes less memory.

    It does not tell who has written what (``managedFields``), nearly half of an object that nobody here asks for, and shares
    its texts with the other objects: most of them stand in many.
    """
    metadata = body.get("metadata")
    if isinstance(metadata, dict):
        body = {**body, "metadata": {name: each for name, each in metadata.items() if name != "managedFields"}}
    shared: Body = _shared(body)
    return shared


def _shared(value: Any) -> Any:
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, dict):
        return {sys.intern(name): _shared(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_shared(each) for each in value]
    return value
