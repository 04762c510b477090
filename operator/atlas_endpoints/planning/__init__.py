"""``atlas-endpoints plan``: what the operator would send to Atlas for manifests that no cluster holds yet.

- ``manifests``: what a text holds, as resources that the operator could read; ``sources``: where texts come from.
- ``stand_ins``: what the operator's own reconciler is given instead of a cluster; ``forecast``: what it came to, in plain
  values; ``report``: those as text, JSON or YAML; ``process``: one after the other.

Only ``sources`` and ``process`` do input or output.
"""

from atlas_endpoints.planning.process import run

__all__ = ["run"]
