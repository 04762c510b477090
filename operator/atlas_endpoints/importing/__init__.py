"""``atlas-endpoints import``: manifests for the endpoints that there are in Atlas already.

- ``drafts``: from an endpoint to a manifest that the operator takes, or why there is none. Pure.
- ``reading``: what Atlas holds; ``writing``: files; ``progress``: a bar for whoever waits; ``process``: one after the other.
"""

from atlas_endpoints.importing.process import run

__all__ = ["run"]
