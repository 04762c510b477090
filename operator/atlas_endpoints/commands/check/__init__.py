"""``atlas-endpoints check``: report whether the operator has all that it needs. It changes nothing."""

from atlas_endpoints.commands.check.command import run

__all__ = ["run"]
