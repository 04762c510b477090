"""``atlas-endpoints import``: write manifests for the endpoints in Atlas.

Pure: ``drafts`` (manifests of this operator), ``successors`` (manifests of MongoDB's own operator). ``reading`` asks
Atlas, ``writing`` writes files, ``process`` runs an import.
"""

from atlas_endpoints.importing.process import run

__all__ = ["run"]
