"""A Kubernetes operator for private endpoints of MongoDB Atlas.

The map of the package, from the outside in (each layer imports only those below it):

- ``cli``, ``settings``: the commands, their flags and environment variables.
- ``commands``: the commands beside ``run``.
- ``kinds``: the model and the decisions of each kind of resource.
- ``process``: connections, probes and signals until SIGTERM; log lines, metrics, Events and traces.
- ``core``: the wiring of caches, queues and reconciles.
- ``reconcile``: one reconcile for every kind, without input and output.
- ``atlas``: the Atlas Admin API, without Kubernetes. ``cluster``: the Kubernetes API, without Atlas.
- ``controller``: the level-triggered loop. ``telemetry``: logs, metrics, probes.
- ``simulator``: a faithful Atlas for tests, demos and users' own CI; shares no code with ``atlas``.
"""

__version__ = "0.1.0"
