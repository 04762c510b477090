"""Argo CD's health checks and actions, run by its own Lua engine; what it makes of their values is written here once more.

Source: argo-cd's util/lua/lua.go.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from control_plane.go_build import CACHE, QUICK_FLAGS, GoModule, ensure_built

if TYPE_CHECKING:
    from collections.abc import Mapping

MODULE = Path(__file__).resolve().parent / "argolua"

HEALTH = frozenset({"Healthy", "Progressing", "Degraded", "Suspended", "Missing", "Unknown"})
TIMEOUT = 30.0
"""Seconds that a script may take, with all that surrounds it; Argo CD itself gives it one."""


class LuaError(Exception):
    """A script failed, or gave what Argo CD does not take; the message holds the controller's words."""


def provide_argo_lua(target: Path = CACHE / "argolua") -> Path:
    """Give the program that runs scripts, built if needed."""
    module = GoModule(
        title="Argo CD's Lua engine",
        folder=MODULE,
        programs={"argolua": "."},
        links={},
        flags=[*QUICK_FLAGS, "-ldflags", "-s -w"],
        patience="half a minute",
    )
    return ensure_built(module, target) / "argolua"


@dataclass(frozen=True, slots=True)
class ArgoLua:
    """Runs scripts; a LuaError says why one failed.

    Attributes:
        program: the controller.
        open_libs: whether scripts have all libraries: those that Argo CD brings along, and those of a kind with
            `resource.customizations.useOpenLibs`.
    """

    program: Path
    open_libs: bool

    def health(self, script: str, body: Mapping[str, Any]) -> dict[str, str]:
        """Give status and message of an object's health."""
        found = self._table(script, body)
        if found.get("status") not in HEALTH:
            return {"status": "Unknown", "message": "Lua returned an invalid health status"}
        return found

    def discover(self, script: str, body: Mapping[str, Any]) -> dict[str, bool]:
        """Give the actions of an object, and whether each is disabled."""
        # An empty table is an empty list to Lua: an action that nothing more is said about.
        return {name: bool(action) and action["disabled"] for name, action in self._table(script, body).items()}

    def act(self, script: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Give what an action makes of an object."""
        return dict(_with_empty_tables_of(body, self._table(script, body)))

    def _table(self, script: str, body: Mapping[str, Any]) -> dict[str, Any]:
        job = json.dumps([{"script": script, "object": body, "openLibs": self.open_libs}])
        done = subprocess.run([self.program], input=job, capture_output=True, text=True, check=True, timeout=TIMEOUT)
        (result,) = json.loads(done.stdout)
        if "error" in result or not isinstance(result["value"], dict):
            raise LuaError(result.get("error", "the script returned no table with names"))
        return dict(result["value"])


def _with_empty_tables_of(before: Any, after: Any) -> Any:
    """Restore what went in as an empty object and came out as an empty list, since Lua has one kind of table only."""
    if isinstance(before, dict) and after == []:
        return before
    if isinstance(before, dict) and isinstance(after, dict):
        return {name: _with_empty_tables_of(before.get(name), value) for name, value in after.items()}
    if isinstance(before, list) and isinstance(after, list):
        return [_with_empty_tables_of(*pair) for pair in zip(before, after, strict=False)]
    return after
