"""The kinds that the operator can serve: the only place that names them all."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from atlas_endpoints.kinds import backup_private_endpoint as backup
from atlas_endpoints.kinds import private_endpoint_regional_mode as regional_mode
from atlas_endpoints.kinds.commands import KindWithCommands
from atlas_endpoints.kinds.data_federation_private_endpoint import kind as data_federation
from atlas_endpoints.kinds.dedicated_private_endpoint import imported as dedicated
from atlas_endpoints.kinds.encryption_at_rest_private_endpoint import kind as encryption_at_rest
from atlas_endpoints.kinds.importer import Importer
from atlas_endpoints.kinds.serverless_private_endpoint import kind as serverless
from atlas_endpoints.kinds.stream_private_endpoint import kind as stream

_IMPORTERS: Sequence[Importer] = (
    dedicated.IMPORTER,
    data_federation.IMPORTER,
    encryption_at_rest.IMPORTER,
    backup.IMPORTER,
    regional_mode.IMPORTER,
    stream.IMPORTER,
    serverless.IMPORTER,
)

KINDS: Sequence[KindWithCommands[Any]] = tuple(each.kind for each in _IMPORTERS)

IMPORTERS: Mapping[str, Importer] = {
    re.sub(r"\B(?=[A-Z])", "-", each.kind.names.kind).lower(): each for each in _IMPORTERS
}
"""By the value of the flag ``--as`` of ``atlas-endpoints import``."""


def named(names: Collection[str], kinds: Sequence[KindWithCommands[Any]] = KINDS) -> Sequence[KindWithCommands[Any]]:
    """Return the kinds with these names; all kinds if there are no names.

    Raises:
        ValueError: there is no kind with one of the names.
    """
    known = {kind.names.kind: kind for kind in kinds}
    if unknown := sorted(set(names) - known.keys()):
        raise ValueError(f"{', '.join(unknown)}: no such kind; the kinds are {', '.join(known)}")
    return [kind for name, kind in known.items() if not names or name in names]
