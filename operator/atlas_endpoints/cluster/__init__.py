"""The Kubernetes API: watch resources, read Secrets, write status. Nothing here depends on Atlas."""

import sys
from importlib.util import find_spec, module_from_spec


def _leave_out_the_synchronous_client() -> None:
    """Keep the import of ``kubernetes.aio`` from importing the synchronous client, which takes 8 MB and a seventh of the time of imports.

    kopf imports it only if it is there, and does not need it.
    """
    spec = find_spec("kubernetes")
    if spec is not None and "kubernetes" not in sys.modules:
        sys.modules["kubernetes"] = module_from_spec(spec)
        sys.modules["kubernetes.client"] = None  # type: ignore[assignment]  # Python's way to say that an import fails


_leave_out_the_synchronous_client()
