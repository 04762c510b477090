"""Objects as they are kept."""

from atlas_endpoints.engine.store import Body


def without_managed_fields(body: Body) -> Body:
    """Leave out who has written what, which nobody here asks for: it is half of an object or more, for as long as it is kept."""
    metadata = body.get("metadata")
    if not isinstance(metadata, dict) or "managedFields" not in metadata:
        return body
    return {**body, "metadata": {name: each for name, each in metadata.items() if name != "managedFields"}}
