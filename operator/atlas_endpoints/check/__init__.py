"""``atlas-endpoints check``: whether all is there that the operator needs, told in plain words. It changes nothing.

- ``findings``: what a line of the report is; ``places``: what there is to ask about; ``interview``: what is asked, in which
  order, and what the answers mean. All three are pure.
- ``sources``: what Kubernetes knows; ``questions``: asking Atlas; ``report``: printing; ``process``: one after the other.
"""

from atlas_endpoints.check.process import run

__all__ = ["run"]
