"""Running what is in an image as Kubernetes would, without a container runtime: its user, its root file system, read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SECRETS = "run/secrets/kubernetes.io/serviceaccount"
"""Where a Pod finds the token of its ServiceAccount; Debian's /var/run is /run."""

SCRIPT = """
set -e
root=$1 user=$2 secrets=$3
shift 3
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc -o ro,nosuid,nodev,noexec proc "$root/proc"
mount -t tmpfs -o mode=755,size=64k tmpfs "$root/dev"
for device in null random urandom zero; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
if [ -n "$secrets" ]; then
  mount --bind "$secrets" "$root/SECRETS"
fi
mount -o remount,bind,ro "$root"
exec setpriv --no-new-privs chroot --userspec="$user" --groups="" "$root" "$@"
""".replace("SECRETS", SECRETS)
"""In a mount namespace of its own, so that nothing of it stays. Each step replaces the process: signals reach the last."""


def command(
    root: Path,
    arguments: Sequence[str],
    *,
    user: str,
    environment: Mapping[str, str],
    secrets: Path | None = None,
) -> list[str]:
    """Say how something in a root file system is run.

    Args:
        root: the folder; nothing in it can be written, and no right is gained from it.
        arguments: what is run, found in the root file system by the PATH of the environment.
        user: numbers of a user and a group, such as `65532:65532`.
        environment: all of it; by its PATH this machine's own unshare and chroot are found, too.
        secrets: a folder with what a ServiceAccount's projected volume holds.
    """
    if secrets is not None:
        (root / SECRETS).mkdir(parents=True, exist_ok=True)
    variables = [f"{name}={value}" for name, value in environment.items()]
    shell = ["/bin/sh", "-c", SCRIPT, "sh", str(root), user, str(secrets or "")]
    return ["/usr/bin/env", "-i", *variables, "unshare", "--mount", *shell, *arguments]
