"""Draw the dashboard: `python -m dashboard [PICTURE]`."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND as DEDICATED
from control_plane import ControlPlane, provide_programs
from control_plane.process import ServerGroup
from dashboard import picture, story
from dashboard.prometheus import SCRAPE, NoPrometheusError, Prometheus, ask, find_program
from support.atlas import Atlas, seed
from support.operator_process import OperatorProcess
from support.rbac import service_account
from support.resources import Resources
from support.running import ROOT, install

DASHBOARD = ROOT / "charts" / "atlas-endpoints" / "files" / "dashboard.json"
PICTURE = ROOT / "docs" / "pictures" / "dashboard.svg"


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(target: Path) -> None:
    """Have the story happen, and draw what the dashboard shows of it."""
    program = find_program()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="atlas-endpoints-dashboard-")))
        control_plane = stack.enter_context(ControlPlane(provide_programs()))
        install(control_plane)
        group = ServerGroup(detached=False)
        stack.callback(group.close)
        atlas = Atlas.start(group, folder, seed(story.PROJECTS, endpoints=10), transition=4)
        stack.callback(atlas.close)
        control_plane.kubectl("create", "namespace", "shop")
        control_plane.kubectl("apply", "--filename=-", stdin=service_account("default", "operator"))
        cast = story.Cast(
            dedicated=Resources(control_plane, "shop", {}, names=DEDICATED.names),
            serverless=Resources(control_plane, "shop", {}),
        )
        stack.callback(cast.dedicated.close)
        stack.callback(cast.serverless.close)
        cast.dedicated.secret()
        operator = OperatorProcess.start(
            group,
            folder,
            kubeconfig=control_plane.kubeconfig_for("default", "operator"),
            atlas_url=atlas.url,
            sync_interval="15s",
            stall_grace="10s",
        )
        prometheus = Prometheus.start(program, group, folder, target=operator.probes.removeprefix("http://"))
        stack.callback(prometheus.close)
        began = time.time()
        story.tell(atlas, cast, say)
        panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
        end = time.time()
        shown = [ask(prometheus, panel, start=began, end=end, step=SCRAPE) for panel in panels]
        title = "The dashboard of atlas-endpoints, drawn from a run beside a simulated Atlas"
        target.write_text(picture.draw(shown, title=title, now=end), encoding="utf-8")
        say(str(target))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE)
    except NoPrometheusError as error:
        sys.exit(str(error))
