"""The command lines of the servers, and the files that the API server reads at its start."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ETCD_SOCKET = "etcd.sock"
ETCD_URL = f"unix://{ETCD_SOCKET}"
"""Relative to the folder the servers run in: the system allows a socket's path some 100 bytes only."""


class PodSecurityLevel(StrEnum):
    """A Pod Security Standard (https://kubernetes.io/docs/concepts/security/pod-security-standards/)."""

    PRIVILEGED = "privileged"
    BASELINE = "baseline"
    RESTRICTED = "restricted"


class Files:
    """Where one control plane keeps what: in a folder that its owner alone can read, for it holds keys and tokens."""

    def __init__(self, root: Path) -> None:
        self.etcd_data = root / "etcd"
        self.etcd_socket = root / ETCD_SOCKET
        self.certificates = root / "certificates"
        self.certificate = self.certificates / "apiserver.crt"  # made by the API server; its issuer's follows, as PEM
        self.ca = root / "ca.crt"  # the issuer's alone
        self.service_account_key = root / "service-account.key"
        self.tokens = root / "tokens.csv"
        self.audit_policy = root / "audit-policy.json"
        self.audit_log = root / "audit.log"  # a JSON object a line
        self.admission = root / "admission.json"
        self.admin_kubeconfig = root / "admin.kubeconfig"
        self.controller_manager_kubeconfig = root / "controller-manager.kubeconfig"


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
    """Return the API server to listen on loopback, to enforce RBAC and to make its own certificate."""
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
    """Return the controller manager to run its controllers at once, each as a ServiceAccount of its own."""
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


def audit_policy() -> str:
    """Ask for one line per request, written when it has been answered: who, what, on which object, with which result."""
    return json.dumps(
        {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [{"level": "Metadata"}],
        }
    )


def admission_configuration(level: PodSecurityLevel) -> str:
    """Hold every namespace whose labels say nothing to a Pod Security Standard; kube-system is exempt."""
    modes: dict[str, str] = {}
    for mode in ("enforce", "audit", "warn"):
        modes |= {mode: level, f"{mode}-version": "latest"}
    return json.dumps(
        {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AdmissionConfiguration",
            "plugins": [
                {
                    "name": "PodSecurity",
                    "configuration": {
                        "apiVersion": "pod-security.admission.config.k8s.io/v1",
                        "kind": "PodSecurityConfiguration",
                        "defaults": modes,
                        "exemptions": {"namespaces": ["kube-system"]},
                    },
                }
            ],
        }
    )
