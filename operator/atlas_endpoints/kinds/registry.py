"""The kinds that the operator can serve: the only place that names them all."""

from collections.abc import Collection, Sequence
from typing import Any

from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND as SERVERLESS_PRIVATE_ENDPOINT
from atlas_endpoints.reconcile.kind import Kind

KINDS: Sequence[Kind[Any]] = (SERVERLESS_PRIVATE_ENDPOINT,)


def named(names: Collection[str]) -> Sequence[Kind[Any]]:
    """Return the kinds with these names; all kinds if there are no names.

    Raises:
        ValueError: there is no kind with one of the names.
    """
    kinds = {kind.names.kind: kind for kind in KINDS}
    if unknown := sorted(set(names) - kinds.keys()):
        raise ValueError(f"{', '.join(unknown)}: no such kind; the kinds are {', '.join(kinds)}")
    return [kind for name, kind in kinds.items() if not names or name in names]
