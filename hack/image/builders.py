"""buildah, podman and docker, as far as they do the same: build the image, tell its configuration, unpack it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
"""Where Debian's programs look for the certificates of those whom they trust."""


class ImageError(Exception):
    """Something is missing or has failed; the message names the remedy or holds the builder's words."""


@dataclass(frozen=True, slots=True)
class Builder:
    """A program that builds images, with the images that it has.

    Attributes:
        name: `buildah`, `podman` or `docker`.
    """

    name: str

    def build(self, image: str, arguments: Mapping[str, str], *, target: str, epoch: int) -> None:
        """Build the Dockerfile of the checkout.

        Args:
            image: the name that it gets.
            arguments: of the build.
            target: the stage that is the image.
            epoch: the time that everything in it bears, in seconds since 1970. docker's own builder takes it for the image
                but not for the files in it, so that its digests differ from build to build.
        """
        command = ["build", "--tag", image, "--target", target]
        for name, value in arguments.items():
            command += ["--build-arg", f"{name}={value}"]
        if self.name != "docker":
            command += ["--timestamp", str(epoch), "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"]
            if own := os.environ.get("SSL_CERT_FILE"):  # a company's proxy, say, which the base image does not trust
                command += ["--volume", f"{own}:{CERTIFICATES}:ro"]
        self._run(*command, str(ROOT), shown=True, SOURCE_DATE_EPOCH=str(epoch))

    def pack(self, image: str, folder: Path) -> None:
        """Make an image of one layer from a root file system."""
        if self.name != "buildah":
            raise ImageError(f"a base image is made by buildah, and there is {self.name} only: apt-get install buildah")
        container = self._run("from", "scratch")
        try:
            self._run("add", "--quiet", container, f"{folder}/")
            self._run("config", "--env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", container)
            self._run("commit", "--quiet", "--timestamp", "0", container, image)
        finally:
            self._run("rm", container)

    def configuration(self, image: str) -> dict[str, Any]:
        """Return what the image says about how it is run: `User`, `Env`, `Entrypoint`, `Cmd`, `Labels` and so on."""
        if self.name == "buildah":
            told = json.loads(self._run("inspect", "--type", "image", self._present(image)))
            return dict(told["OCIv1"]["config"])
        return dict(json.loads(self._run("image", "inspect", self._present(image)))[0]["Config"])

    def identity(self, image: str) -> str:
        """Return the digest of the image's configuration, which holds those of all its layers."""
        template = "{{.FromImageID}}" if self.name == "buildah" else "{{.Id}}"
        query = ["inspect", "--type", "image"] if self.name == "buildah" else ["image", "inspect"]
        return self._run(*query, "--format", template, self._present(image))

    def remove(self, image: str) -> None:
        self._run("rmi", image)

    def unpack(self, image: str, folder: Path) -> None:
        """Write the root file system of an image into an empty folder, with owners and modes; this takes root."""
        with self._unpacked(self._present(image)) as archive:
            extract = ["tar", "--extract", "--numeric-owner", "--preserve-permissions", "--directory", str(folder)]
            subprocess.run([*extract, "--file", str(archive)], check=True)

    @contextmanager
    def _unpacked(self, image: str) -> Iterator[Path]:
        archive = ROOT / ".cache" / "image.tar"
        archive.parent.mkdir(exist_ok=True)
        if self.name == "buildah":
            container = self._run("from", "--pull-never", image)
            mounted = self._run("mount", container)
            subprocess.run(["tar", "--create", "--directory", mounted, "--file", str(archive), "."], check=True)
        else:
            container = self._run("create", image)
            self._run("export", "--output", str(archive), container)
        try:
            yield archive
        finally:
            archive.unlink()
            self._run("rm", container)

    def _present(self, image: str) -> str:
        query = ["inspect", "--type", "image"] if self.name == "buildah" else ["image", "inspect"]
        if subprocess.run([self.name, *query, image], capture_output=True, check=False).returncode:
            raise ImageError(
                f"{self.name} has for this user no image {image}: `make image` builds it, IMAGE= names another"
            )
        return image

    def _run(self, *arguments: str, shown: bool = False, **environment: str) -> str:
        done = subprocess.run(
            [self.name, *arguments],
            # Needs no cgroups of its own and no rights beyond those of the user.
            env={"BUILDAH_ISOLATION": "chroot", **os.environ, **environment},
            stdout=None if shown else subprocess.PIPE,
            stderr=None if shown else subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            words = f": {done.stderr.strip()}" if done.stderr else ""
            raise ImageError(f"`{self.name} {arguments[0]}` has failed{words}")
        return (done.stdout or "").strip()


def find_builder(wanted: str | None = None) -> Builder:
    """Take the first that is there and works; docker is only there when its daemon is."""
    names = [wanted] if wanted else ["buildah", "podman", "docker"]
    for name in names:
        if shutil.which(name) and not subprocess.run([name, "info"], capture_output=True, check=False).returncode:
            return Builder(name)
    raise ImageError(f"no builder works here: install {' or '.join(names)}; buildah needs no daemon")
