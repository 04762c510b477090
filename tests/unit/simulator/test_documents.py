"""The documents that people give to the simulator, of which it refuses some (testdata/refused.yaml), and those that it shows."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from atlas_endpoints.simulator import InvalidDocumentError, read, read_file
from unit.simulator.harness import ACCEPT, PROJECT, Atlas, collection

TABLE = (Path(__file__).parent / "testdata" / "refused.yaml").read_text("utf-8").replace("$project", f'"{PROJECT}"')
CASES = [(name, document, problem) for name, cases in yaml.safe_load(TABLE).items() for document, problem in cases]


@pytest.mark.parametrize(
    ("name", "document", "problem"), CASES, ids=[f"{name}: {problem}" for name, _, problem in CASES]
)
async def test_a_document_is_refused_with_the_field(atlas: Atlas, name: str, document: Any, problem: str) -> None:
    if name == "seed":
        with pytest.raises(InvalidDocumentError, match=r"^seed: ") as caught:
            read(document)
        assert problem in str(caught.value)
        return
    before = await atlas.control("state")

    assert problem in await atlas.refused(name, document)

    assert await atlas.control("state") == before


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"{", "is not JSON"), (b"\xff", "is not JSON"), (b'{"x": 1}', "x: Extra inputs"), (None, "No such file")],
)
def test_a_bad_seed_file_is_refused_with_its_name(tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "seed.json"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(InvalidDocumentError, match=problem) as caught:
        read_file(path)

    assert str(path) in str(caught.value)


def test_an_error_never_quotes_a_secret() -> None:
    with pytest.raises(InvalidDocumentError) as caught:
        read({"apiKeys": [{"publicKey": "k", "privateKey": ["s3cret"], "secret": "s3cret"}]})

    assert "s3cret" not in str(caught.value)


async def test_neither_state_nor_log_ever_shows_a_secret(atlas: Atlas) -> None:
    form = {"grant_type": "client_credentials", "client_secret": "owner-secret"}
    await atlas.http.post("/api/oauth/token", auth=("owner", "owner-secret"), data=form)
    token = await atlas.token()
    await atlas.call("GET", collection())
    await atlas.http.get(collection(), auth=httpx.DigestAuth("ownerkey", "owner-private"), headers={"Accept": ACCEPT})

    shown = str(await atlas.control("state")) + str(await atlas.control("requests"))

    assert not [secret for secret in ("owner-secret", "owner-private", token) if secret in shown]
    assert "ownerkey" in shown
