"""The command lines of the servers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003  dataclass fields are read at run time by documentation tools

ETCD_SOCKET = "etcd.sock"
ETCD_URL = f"unix://{ETCD_SOCKET}"
"""Relative to the folder the servers run in: the system allows a socket's path some 100 bytes only."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where one control plane keeps what; everything is inside of one folder.

    Attributes:
        root: The folder, readable by its owner alone: it holds private keys and tokens.
    """

    root: Path

    @property
    def etcd_data(self) -> Path:
        """etcd's database."""
        return self.root / "etcd"

    @property
    def etcd_socket(self) -> Path:
        """Where etcd listens."""
        return self.root / ETCD_SOCKET

    @property
    def certificates(self) -> Path:
        """Where the API server puts the certificate it makes for itself."""
        return self.root / "certificates"

    @property
    def certificate(self) -> Path:
        """The API server's certificate, followed by that of its issuer, as PEM."""
        return self.certificates / "apiserver.crt"

    @property
    def ca(self) -> Path:
        """The issuer's certificate alone, as PEM."""
        return self.root / "ca.crt"

    @property
    def service_account_key(self) -> Path:
        """The private key that signs tokens."""
        return self.root / "service-account.key"

    @property
    def tokens(self) -> Path:
        """The fixed tokens."""
        return self.root / "tokens.csv"

    @property
    def audit_policy(self) -> Path:
        """What the audit log holds."""
        return self.root / "audit-policy.json"

    @property
    def audit_log(self) -> Path:
        """The audit log, a JSON object a line."""
        return self.root / "audit.log"

    @property
    def admission(self) -> Path:
        """The admission plugins' configuration."""
        return self.root / "admission.json"

    @property
    def admin_kubeconfig(self) -> Path:
        """For those who may do everything."""
        return self.root / "admin.kubeconfig"

    @property
    def controller_manager_kubeconfig(self) -> Path:
        """For the controller manager."""
        return self.root / "controller-manager.kubeconfig"


def etcd_arguments(files: Files) -> list[str]:
    """Tell etcd to be quick, and to listen in its folder only.

    etcd has no authentication here. On a socket in a private folder it needs none, and no other process can take its
    address while it is stopped for a test.
    """
    return [
        f"--data-dir={files.etcd_data}",
        f"--listen-client-urls={ETCD_URL}",
        "--advertise-client-urls=http://127.0.0.1:0",  # nobody asks for it, but it has to be there, and no socket for etcd 3.6
        "--listen-peer-urls=http://127.0.0.1:0",  # it has no peers, but cannot be told so
        "--unsafe-no-fsync",  # the data need to outlive etcd, not the machine
        "--log-level=warn",
    ]


def apiserver_arguments(files: Files, *, port: int, audit_log: bool, pod_security: bool) -> list[str]:
    """Tell the API server to listen on loopback, to enforce RBAC and to make its own certificate."""
    arguments = [
        f"--etcd-servers={ETCD_URL}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",  # else it asks the machine's routes, and a sandbox may have none
        f"--secure-port={port}",
        f"--cert-dir={files.certificates}",
        "--endpoint-reconciler-type=none",  # it would refuse a loopback address as an endpoint
        "--service-cluster-ip-range=10.0.0.0/24",
        "--authorization-mode=RBAC",
        f"--token-auth-file={files.tokens}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-signing-key-file={files.service_account_key}",
        f"--service-account-key-file={files.service_account_key}",
        "--max-requests-inflight=2000",  # load tests shall find the operator's limits, not the API server's
        "--max-mutating-requests-inflight=1000",
        "--profiling=false",
        "--allow-privileged=true",  # as everywhere: it is Pod Security that decides
        "--shutdown-watch-termination-grace-period=1s",  # else it waits a minute for watches that never end
    ]
    if audit_log:
        arguments += [
            f"--audit-policy-file={files.audit_policy}",
            f"--audit-log-path={files.audit_log}",
            "--audit-log-maxsize=100000",  # MB: a test reads the whole log, so it is never rotated
        ]
    if pod_security:
        arguments += [f"--admission-control-config-file={files.admission}"]
    return arguments


def controller_manager_arguments(files: Files) -> list[str]:
    """Tell the controller manager to run its controllers at once, each as a ServiceAccount of its own."""
    return [
        f"--kubeconfig={files.controller_manager_kubeconfig}",
        f"--root-ca-file={files.ca}",
        f"--service-account-private-key-file={files.service_account_key}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        "--secure-port=0",  # nobody asks it anything
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        "--profiling=false",
    ]
