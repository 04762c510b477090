"""What is told of an import that cannot ask Atlas."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import aiohttp

from atlas_endpoints.atlas.transport import failure
from atlas_endpoints.clusterless import ImportSettings
from atlas_endpoints.importing import process

if TYPE_CHECKING:
    import pytest


def test_an_unknown_host_names_the_dns_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    async def asked(*_: object) -> None:
        place = cast("Any", SimpleNamespace(host="atlas.invalid", port=443, ssl=True))
        cause = aiohttp.ClientConnectorDNSError(place, OSError(-2, "Name not known"))
        raise failure(cause, operation="list", unknown_outcome=False)

    monkeypatch.setattr(process, "instances_of", asked)
    for name in ("PUBLIC_API_KEY", "PRIVATE_API_KEY"):
        monkeypatch.setenv(f"MONGODB_ATLAS_{name}", "abcdefgh")
    said: list[str] = []

    assert not asyncio.run(process.run(ImportSettings.model_validate({"project": "5f" * 12}), said.append, said.append))

    assert (
        said[0] == "The host of Atlas cannot be found; check --atlas-url and the DNS of this machine. (Name not known)"
    )
