"""The kinds that the operator can serve: the only place that names them all."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from atlas_endpoints.kinds.backup_private_endpoint import conform as backup_conform
from atlas_endpoints.kinds.backup_private_endpoint import kind as backup
from atlas_endpoints.kinds.commands import KindWithCommands
from atlas_endpoints.kinds.conforming import Family
from atlas_endpoints.kinds.data_federation_private_endpoint import conform as data_federation_conform
from atlas_endpoints.kinds.data_federation_private_endpoint import kind as data_federation
from atlas_endpoints.kinds.dedicated_private_endpoint import conform as dedicated_conform
from atlas_endpoints.kinds.dedicated_private_endpoint import imported as dedicated
from atlas_endpoints.kinds.encryption_at_rest_private_endpoint import conform as encryption_at_rest_conform
from atlas_endpoints.kinds.encryption_at_rest_private_endpoint import kind as encryption_at_rest
from atlas_endpoints.kinds.importer import Importer
from atlas_endpoints.kinds.serverless_private_endpoint import kind as serverless
from atlas_endpoints.kinds.stream_private_endpoint import conform as stream_conform
from atlas_endpoints.kinds.stream_private_endpoint import kind as stream


class Offered(NamedTuple):
    """What there is of a kind.

    Attributes:
        importer: None: ``atlas-endpoints import`` does not write it.
        family: that of ``atlas-endpoints conform``, by its name in the flag ``--families``.
    """

    kind: KindWithCommands[Any]
    importer: Importer | None = None
    family: Mapping[str, Family] = {}


OFFERED = (
    Offered(dedicated.IMPORTER.kind, dedicated.IMPORTER, {"dedicated": dedicated_conform.FAMILY}),
    Offered(data_federation.KIND, data_federation.IMPORTER, {"data-federation": data_federation_conform.FAMILY}),
    Offered(encryption_at_rest.KIND, encryption_at_rest.IMPORTER, {"encryption": encryption_at_rest_conform.FAMILY}),
    Offered(backup.KIND, backup.IMPORTER, {"backup": backup_conform.FAMILY}),
    Offered(stream.KIND, stream.IMPORTER, {"streams": stream_conform.FAMILY}),
    Offered(serverless.KIND, serverless.IMPORTER),
)

KINDS: Sequence[KindWithCommands[Any]] = tuple(each.kind for each in OFFERED)

IMPORTERS: Mapping[str, Importer] = {
    re.sub(r"\B(?=[A-Z])", "-", each.kind.names.kind).lower(): each.importer for each in OFFERED if each.importer
}
"""By the value of the flag ``--as`` of ``atlas-endpoints import``."""

FAMILIES: Mapping[str, Family] = {name: family for each in OFFERED for name, family in each.family.items()}
"""In the order in which they live."""


def named(names: Collection[str], kinds: Sequence[KindWithCommands[Any]] = KINDS) -> Sequence[KindWithCommands[Any]]:
    """Return the kinds with these names; all kinds if there are no names.

    Raises:
        ValueError: there is no kind with one of the names.
    """
    known = {kind.names.kind: kind for kind in kinds}
    if unknown := sorted(set(names) - known.keys()):
        raise ValueError(f"{', '.join(unknown)}: no such kind; the kinds are {', '.join(known)}")
    return [kind for name, kind in known.items() if not names or name in names]
