"""A real Kubernetes control plane for tests and the demo: etcd, API server and kubectl.

There is no scheduler and no kubelet: objects live, but Pods never start. The controller manager runs where it is asked
for (`provide_programs(controller_manager=True)`, or the fixture `controller_manager` of `tests/support/running.py`).

    from control_plane import ControlPlane, provide_programs

    with ControlPlane(provide_programs(), audit_log=True) as control_plane:
        control_plane.kubectl("create", "namespace", "demo")

| module | what it answers |
| --- | --- |
| `programs` | which executables: built from the Go module beside this file, or those of `KUBEBUILDER_ASSETS` |
| `go_build`, `toolchain`, `progress` | how the programs of any Go module of this checkout are built, once |
| `cluster` | `ControlPlane`, the running thing, and how commands reach it |
| `access` | who may come in, and with what: tokens, keys, kubeconfigs |
| `arguments` | the command lines and files of its servers; pure |
| `process`, `ports` | how its servers live and die |
| `detached` | a control plane that outlives the command that started it (`make up`, `make down`) |

The programs are built for a short build, not for speed (`go_build.QUICK_FLAGS`): Go's own flags, and the controller
manager, cost 615 s of processor time, spread over 2,737 packages of which none takes more than 7 s. Tried on
`k8s.io/client-go/kubernetes` with an empty cache: 120 s; without inlining 94 s; also without DWARF 88 s; also with
GOGC=off 67 s; also without the prove pass 59 s; `-N` and `-B` give nothing more. `gcstart=1024` gives most of what
GOGC=off gives, and a compiler then takes 0.6 GB at most, not 1.1 GB. Such an API server needs 0.7 s more of processor
time to start, and 1.2 times as much to create a resource and patch its status.
The benchmark uses an optimised build (`provide_programs(optimized=True)`).
"""

from control_plane.arguments import PodSecurityLevel
from control_plane.cluster import ControlPlane, ControlPlaneError, KubectlError
from control_plane.programs import Programs, ProgramsError, provide_programs

__all__ = [
    "ControlPlane",
    "ControlPlaneError",
    "KubectlError",
    "PodSecurityLevel",
    "Programs",
    "ProgramsError",
    "provide_programs",
]
