"""A real Kubernetes control plane for tests and the demo: etcd, API server, controller manager and kubectl.

There is no scheduler and no kubelet: objects live, controllers act on them, but Pods never start.

    from control_plane import ControlPlane, provide_programs

    with ControlPlane(provide_programs(), audit_log=True) as control_plane:
        control_plane.kubectl("create", "namespace", "demo")

| module | what it answers |
| --- | --- |
| `programs` | which executables: built here, or those of `KUBEBUILDER_ASSETS` |
| `build` | how they are built from the Go module beside this file |
| `go_build`, `toolchain`, `progress` | how the programs of any Go module of this checkout are built, once |
| `cluster` | `ControlPlane`, the running thing |
| `access` | who may come in, and with what |
| `arguments`, `configuration`, `keys`, `kubeconfig` | what its servers are told; pure |
| `process`, `ports` | how its servers live and die |
| `kubectl` | how commands reach it |
| `detached` | a control plane that outlives the command that started it (`make up`, `make down`) |
"""

from control_plane.cluster import ControlPlane, ControlPlaneError
from control_plane.configuration import PodSecurityLevel
from control_plane.kubectl import KubectlError
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
