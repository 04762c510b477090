"""``atlas-endpoints check`` in this process, and what must hold whatever it finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from atlas_endpoints.cli import main
from support import audit
from support.atlas import CLIENT_SECRET, PRIVATE_KEY

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from control_plane import ControlPlane
    from support.atlas import Atlas

CANARY = "mdb_sa_sk_canary-of-the-check"
"""A secret that Atlas does not know."""

ACCEPTED = "Atlas accepts the credentials ("
READS = "Atlas accepts the credentials, and they may read the project ("

NO_ENDPOINT = "0" * 24
LOCATION = "kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
"""What the client makes of KUBECONFIG when it is loaded."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a check.

    Attributes:
        code: the exit code.
        output: what was printed.
        calls: the methods of the calls that Atlas got, those for tokens left out.
    """

    code: int
    output: str
    calls: list[str]

    @property
    def sections(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for title, *lines in (section.splitlines() for section in self.output.strip().split("\n\n")):
            found[title] = lines
        return found

    def lines(self, word: str) -> list[str]:
        return [line.removeprefix(word).strip() for line in self.output.splitlines() if line.split(" ")[0] == word]

    def contains(self, word: str, *texts: str) -> bool:
        """Return whether a finding that begins with the word contains all texts; otherwise fail with the whole report."""
        found = any(all(text in line for text in texts) for line in self.lines(word))
        assert found, f"no line '{word} ... {' ... '.join(texts)}' in:\n{self.output}"
        return True


class Check(Protocol):
    """Runs a check of the test's namespace."""

    def __call__(self, *flags: str) -> Checked: ...


class Checker:
    """Runs checks as one ServiceAccount.

    Args:
        control_plane: where it looks.
        atlas: which it asks.
        kubeconfig: whom it is.
        user: the name of the same in the audit log.
    """

    def __init__(self, control_plane: ControlPlane, atlas: Atlas, kubeconfig: Path, user: str) -> None:
        self._control_plane = control_plane
        self._atlas = atlas
        self._kubeconfig = kubeconfig
        self._user = user

    def check(self, patched: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *flags: str) -> Checked:
        """Run a check, and see that it has changed nothing and shown no secret."""
        patched.setattr(LOCATION, str(self._kubeconfig))
        capsys.readouterr()
        before, endpoints = len(self._atlas.requests()), self._atlas.endpoints()
        since = audit.mark(self._control_plane)
        code = main(["check", "--atlas-url", self._atlas.url, *flags])  # a flag that comes later wins
        captured = capsys.readouterr()
        assert [
            line for line in captured.err.splitlines() if not line.startswith("Atlas limits the rate of calls. ")
        ] == []
        calls = [each for each in self._atlas.requests()[before:] if not each["path"].startswith("/api/oauth/")]
        writes = [each for each in calls if each["method"] != "GET"]
        assert {each["method"] for each in writes} <= {"PATCH"}
        assert all(each["path"].endswith(f"/{NO_ENDPOINT}") for each in writes)
        assert all(each["body"].keys() in ({"providerName"}, {"cloudProvider"}) for each in writes)
        assert self._atlas.endpoints() == endpoints
        assert audit.writes(self._control_plane, self._user, since=since) == []
        assert not [secret for secret in (CLIENT_SECRET, PRIVATE_KEY, CANARY) if secret in captured.out]
        return Checked(code, captured.out, [each["method"] for each in calls])
