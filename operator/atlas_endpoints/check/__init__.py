"""``atlas-endpoints check``: report whether all is there that the operator needs. It changes nothing.

Pure: ``findings`` (the report), ``places`` (what to ask Atlas about), ``interview`` (the questions, and what the
answers mean). ``sources`` reads Kubernetes, ``questions`` asks Atlas, ``process`` runs them.
"""

from atlas_endpoints.check.process import run

__all__ = ["run"]
