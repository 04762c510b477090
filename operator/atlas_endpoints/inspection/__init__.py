"""``atlas-endpoints status``: what an on-call engineer asks first about one resource. It changes nothing.

- ``report``: the answers, from the resources as the API server has them; pure. ``process``: reads them and prints.
"""

from atlas_endpoints.inspection.process import run

__all__ = ["run"]
