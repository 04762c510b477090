"""The kinds that the operator can serve: the only place that names them all."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from atlas_endpoints.kinds.backup_private_endpoint import conform as backup_conform
from atlas_endpoints.kinds.backup_private_endpoint import kind as backup
from atlas_endpoints.kinds.backup_private_endpoint.kind import KIND as BACKUP_PRIVATE_ENDPOINT
from atlas_endpoints.kinds.commands import KindWithCommands
from atlas_endpoints.kinds.conforming import Family
from atlas_endpoints.kinds.data_federation_private_endpoint import conform as data_federation_conform
from atlas_endpoints.kinds.data_federation_private_endpoint import kind as data_federation
from atlas_endpoints.kinds.data_federation_private_endpoint.kind import KIND as DATA_FEDERATION_PRIVATE_ENDPOINT
from atlas_endpoints.kinds.dedicated_private_endpoint import conform as dedicated_conform
from atlas_endpoints.kinds.dedicated_private_endpoint import imported as dedicated
from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND as DEDICATED_PRIVATE_ENDPOINT
from atlas_endpoints.kinds.encryption_at_rest_private_endpoint import conform as encryption_at_rest_conform
from atlas_endpoints.kinds.encryption_at_rest_private_endpoint import kind as encryption_at_rest
from atlas_endpoints.kinds.encryption_at_rest_private_endpoint.kind import KIND as ENCRYPTION_AT_REST_PRIVATE_ENDPOINT
from atlas_endpoints.kinds.importer import Importer
from atlas_endpoints.kinds.serverless_private_endpoint import kind as serverless
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND as SERVERLESS_PRIVATE_ENDPOINT
from atlas_endpoints.kinds.stream_private_endpoint import conform as stream_conform
from atlas_endpoints.kinds.stream_private_endpoint import importer as stream
from atlas_endpoints.kinds.stream_private_endpoint.kind import KIND as STREAM_PRIVATE_ENDPOINT

KINDS: Sequence[KindWithCommands[Any]] = (
    DEDICATED_PRIVATE_ENDPOINT,
    DATA_FEDERATION_PRIVATE_ENDPOINT,
    ENCRYPTION_AT_REST_PRIVATE_ENDPOINT,
    BACKUP_PRIVATE_ENDPOINT,
    STREAM_PRIVATE_ENDPOINT,
    SERVERLESS_PRIVATE_ENDPOINT,
)

IMPORTERS: Mapping[str, Importer] = {
    "dedicated-private-endpoint": dedicated.IMPORTER,
    "data-federation-private-endpoint": data_federation.IMPORTER,
    "encryption-at-rest-private-endpoint": encryption_at_rest.IMPORTER,
    "backup-private-endpoint": backup.IMPORTER,
    "stream-private-endpoint": stream.IMPORTER,
    "serverless-private-endpoint": serverless.IMPORTER,
}
"""By the value of the flag ``--as`` of ``atlas-endpoints import``."""

FAMILIES: Mapping[str, Family] = {
    "dedicated": dedicated_conform.FAMILY,
    "data-federation": data_federation_conform.FAMILY,
    "encryption": encryption_at_rest_conform.FAMILY,
    "backup": backup_conform.FAMILY,
    "streams": stream_conform.FAMILY,
}
"""By the names in the flag ``--families`` of ``atlas-endpoints conform``, in the order in which they live."""


def named(names: Collection[str], kinds: Sequence[KindWithCommands[Any]] = KINDS) -> Sequence[KindWithCommands[Any]]:
    """Return the kinds with these names; all kinds if there are no names.

    Raises:
        ValueError: there is no kind with one of the names.
    """
    known = {kind.names.kind: kind for kind in kinds}
    if unknown := sorted(set(names) - known.keys()):
        raise ValueError(f"{', '.join(unknown)}: no such kind; the kinds are {', '.join(known)}")
    return [kind for name, kind in known.items() if not names or name in names]
