"""``atlas-endpoints status``: print what an on-call engineer needs first about one resource. It changes nothing.

``report`` has the lines, and is pure. ``process`` reads the API server and prints them.
"""

from atlas_endpoints.inspection.process import run

__all__ = ["run"]
