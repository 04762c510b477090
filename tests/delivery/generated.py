"""Files that are made from others, and kept in step by `make generate`.

A new one is an entry of `GENERATED`; tests/delivery/test_generated.py compares all of them with what is in the checkout.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import crd
from delivery import argocd, manifests, reference
from delivery.helm import CHART, ROOT
from delivery.kustomize import install_manifest
from delivery.programs import provide
from delivery.values import described, values_of
from support.deploy import INSTALL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Generated:
    """A file that is made from others.

    Attributes:
        path: Where it is.
        content: Makes its text.
    """

    path: Path
    content: Callable[[], str]

    @property
    def name(self) -> str:
        """Its path in the checkout."""
        return self.path.relative_to(ROOT).as_posix()

    def write(self) -> bool:
        """Bring it up to date, and tell whether it was not."""
        content = self.content()
        if self.path.exists() and self.path.read_text(encoding="utf-8") == content:
            return False
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(content, encoding="utf-8")
        return True


def schema() -> str:
    """Make the schema of the chart's values: it is written by hand but for the descriptions, which are those of values.yaml."""
    old = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    new = described(old, values_of((CHART / "values.yaml").read_text(encoding="utf-8")))
    return json.dumps(new, indent=2, ensure_ascii=False) + "\n"


def readme() -> str:
    """Make the chart's README from README.md.gotmpl and the comments of values.yaml."""
    flags = (f"--chart-search-root={CHART}", "--dry-run", "--sort-values-order=file", "--log-level=warning")
    with tempfile.TemporaryDirectory() as home:
        command: list[str | Path] = [provide("helm-docs"), *flags]
        done = subprocess.run(command, cwd=home, env={"HOME": home}, capture_output=True, text=True, check=True)
    text = done.stdout.strip()
    if not text:  # it skips what it cannot read, and calls that a success
        raise ValueError(done.stderr)
    return f"{text}\n"


def _crd(path: Path) -> Generated:
    return Generated(CHART / "files" / "crds" / path.name, lambda: path.read_text(encoding="utf-8"))


def _one_of(texts: Callable[[], Mapping[Path, str]], path: Path) -> Generated:
    return Generated(path, lambda: texts()[path])


GENERATED = (
    *(Generated(path, partial(crd.text, path)) for path in crd.paths()),
    *(_crd(path) for path in crd.paths()),
    Generated(CHART / "values.schema.json", schema),
    Generated(CHART / "README.md", readme),
    *(_one_of(manifests.texts, path) for path in manifests.PATHS),
    Generated(INSTALL, install_manifest),
    *(_one_of(argocd.generated, path) for path in argocd.generated()),
    *(Generated(path, content) for path, content in reference.PAGES.items()),
)


def generate() -> list[str]:
    """Bring all generated files up to date, and give the names of those that were not."""
    return [each.name for each in GENERATED if each.write()]
