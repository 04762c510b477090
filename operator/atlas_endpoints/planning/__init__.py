"""``atlas-endpoints plan``: what manifests would change in Atlas, by the operator's own reconciler, without a cluster.

Pure: ``manifests`` (text to resources), ``forecast`` (the results), ``report`` (their text, JSON and YAML),
``offline_ports`` (what replaces a cluster). ``sources`` reads files, ``process`` runs a plan.
"""

from atlas_endpoints.planning.process import run

__all__ = ["run"]
