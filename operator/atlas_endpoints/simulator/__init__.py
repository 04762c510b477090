"""A faithful Atlas Admin API for private endpoints, for tests, demos and users' own CI.

It shares no code with the operator's Atlas client, so that the two check each other. From the outside in: ``server``
(HTTP and ``faults``), ``control`` (the control API), ``simulator`` (everything as one object, and the order of checks),
``auth`` (credentials, tokens, signatures), ``routes``, ``body`` and ``pages`` (what operations share), ``serverless``,
``dedicated``, ``federation``, ``regional`` and ``streams`` (the families of operations), ``world`` and ``services`` (what
there is, and how it changes), ``endpoint``, ``service``, ``cluster``, ``federation_endpoint``, ``regional_endpoint`` and
``stream_endpoint`` (single resources), ``seed`` and ``switches`` (how it starts, and how it can be changed).
"""

from atlas_endpoints.simulator.seed import Seed, read, read_file
from atlas_endpoints.simulator.server import Server, describe, running, serve
from atlas_endpoints.simulator.simulator import Simulator
from atlas_endpoints.simulator.switches import InvalidDocumentError, Switches

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
