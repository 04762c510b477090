"""``atlas-endpoints plan``: what manifests would change in Atlas, by the operator's own reconciler, without a cluster."""

from atlas_endpoints.commands.plan.command import run

__all__ = ["run"]
