"""Seed files, and the world that is made up without one."""

from pathlib import Path

import pytest

from atlas_endpoints.simulator import InvalidDocumentError, read, read_file


def test_an_error_never_quotes_a_secret() -> None:
    with pytest.raises(InvalidDocumentError) as caught:
        read({"apiKeys": [{"publicKey": "k", "privateKey": ["s3cret"], "secret": "s3cret"}]})

    assert "s3cret" not in str(caught.value)


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
