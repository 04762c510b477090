"""The command line, `python -m image`, which make calls; it needs nothing but Python."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import tomllib
from datetime import UTC, datetime
from pathlib import Path

from image.builders import ROOT, ImageError, find_builder

BASE = "localhost/debian-python:trixie"
NAMES = {"operator": "atlas-endpoints", "simulator": "atlas-endpoints-simulator"}
"""The stages of the Dockerfile that are images, and what these are called."""
PACKAGES = ("ca-certificates", "python3", "python3-venv")


def build(image: str, base: str, target: str) -> None:
    """Build the image from what is checked out, and say how it is called.

    Args:
        image: its name; empty for the usual one.
        base: the base image; empty for the one in the Dockerfile.
        target: the stage of the Dockerfile: `operator` or `simulator`.
    """
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    image = image or f"localhost/{NAMES[target]}:{version}"
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct") or 0)
    revision = _git("rev-parse", "HEAD") or "unknown"
    arguments = {
        "VERSION": version,
        "REVISION": revision + ("-dirty" if _git("status", "--porcelain") else ""),
        "CREATED": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    builder = find_builder(os.environ.get("BUILDER"))
    builder.build(image, arguments | ({"BASE_IMAGE": base} if base else {}), target=target, epoch=epoch)
    sys.stdout.write(f"built {image} with {builder.name}\n")


def base() -> None:
    """Make a base image from Debian's packages, for machines that reach no image registry.

    It has Debian 13's Python, of the same minor release as the usual base.
    """
    builder = find_builder("buildah")
    with tempfile.TemporaryDirectory() as folder:
        command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", "trixie", folder]
        try:
            done = subprocess.run(command, check=False)
        except FileNotFoundError:
            raise ImageError("debootstrap is not there: apt-get install debootstrap") from None
        if done.returncode:
            raise ImageError("debootstrap has failed; it needs root, and Debian's packages")
        for leftover in (*Path(folder).glob("var/cache/apt/*.bin"), *Path(folder).rglob("*.deb")):
            leftover.unlink()
        for listing in Path(folder).glob("var/lib/apt/lists/*"):
            if listing.is_file():
                listing.unlink()
        builder.pack(BASE, Path(folder))
    sys.stdout.write(f"made {BASE}: make image BASE_IMAGE={BASE}\n")


def _git(*arguments: str) -> str:
    """Ask git; an empty answer where there is no repository, such as in an archive of the source."""
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (FileNotFoundError, subprocess.CalledProcessError):
        return ""


def main() -> None:
    """Run a command; what the user can mend is told in words, without a traceback."""
    parser = argparse.ArgumentParser(prog="image", description="The image of the operator.")
    commands = parser.add_subparsers(dest="command", required=True)
    building = commands.add_parser("build", help="build it")
    building.add_argument("--image", default="")
    building.add_argument("--base", default="")
    building.add_argument("--target", default="operator", choices=NAMES)
    commands.add_parser("base", help="make a base image without any registry")
    chosen = parser.parse_args()
    try:
        if chosen.command == "base":
            base()
        else:
            build(chosen.image, chosen.base, chosen.target)
    except ImageError as error:
        sys.exit(f"image: {error}")


if __name__ == "__main__":
    main()
