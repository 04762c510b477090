"""A faithful Atlas Admin API for serverless private endpoints, for tests, demos and users' own CI.

It is a reading of the API of its own and shares no code with the operator's Atlas client, so that the two check each
other. From the outside in: ``server`` (HTTP, and what goes wrong on it), ``control`` (the control API), ``simulator``
(everything as one object), ``api`` with ``routes``, ``negotiation``, ``bodies`` and ``errors`` (the Admin API),
``oauth`` and ``digest`` (who is asking), ``world`` with ``machine`` and ``endpoint`` (what there is and what becomes
of it), ``seed`` and ``switches`` (how it starts and how it can be turned).
"""

from atlas_endpoints.simulator.seed import Seed, read, read_file
from atlas_endpoints.simulator.server import Server, describe, running, serve
from atlas_endpoints.simulator.simulator import Simulator
from atlas_endpoints.simulator.switches import Switches
from atlas_endpoints.simulator.wire import InvalidDocumentError

__all__ = [
    "InvalidDocumentError",
    "Seed",
    "Server",
    "Simulator",
    "Switches",
    "describe",
    "read",
    "read_file",
    "running",
    "serve",
]
