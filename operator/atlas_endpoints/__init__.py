"""A Kubernetes operator for MongoDB Atlas serverless private endpoints.

The map of the package, from the outside in (each layer imports only those below it):

- ``cli``: the commands ``run``, ``check`` and ``simulate``; ``settings``: the only reader of its own variables.
- ``app``: the process: ends, probes and signals until SIGTERM; ``core``: wires everything that decides and remembers;
  ``observer``: makes log lines, metrics and Events of what it tells.
- ``check``: beside ``app``; asks Kubernetes and Atlas once, and tells in plain words whether all is there.
- ``kinds``: everything that is decided about a kind of resource (model, plan, status, reconcile).
- ``atlas``: the Atlas Admin API; knows HTTP, knows no Kubernetes.
- ``cluster``: the Kubernetes API; the only importer of kopf and kubernetes; knows no Atlas.
- ``controller``: the level-triggered loop; knows neither Atlas nor the kinds. ``telemetry`` stands beside it.
- ``simulator``: a faithful Atlas for tests, demos and users' own CI; shares no code with ``atlas``.
"""

__version__ = "0.1.0"
