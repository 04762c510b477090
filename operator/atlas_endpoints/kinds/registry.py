"""The kinds that the operator serves: the only place that names them all."""

from collections.abc import Mapping, Sequence
from typing import Any

from atlas_endpoints.kinds.importer import Importer
from atlas_endpoints.kinds.serverless_private_endpoint import importing
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND as SERVERLESS_PRIVATE_ENDPOINT
from atlas_endpoints.reconcile.kind import Kind

KINDS: Sequence[Kind[Any]] = (SERVERLESS_PRIVATE_ENDPOINT,)

IMPORTERS: Mapping[str, Importer] = importing.IMPORTERS
"""By the value of the flag ``--as`` of ``atlas-endpoints import``."""
