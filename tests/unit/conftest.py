"""What all unit tests share."""

from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest

pytest.register_assert_rewrite("behaviour.steps", "behaviour.serverless", "behaviour.dedicated")


@pytest.fixture(scope="session")
def one_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with one public certificate."""
    end = "-----END CERTIFICATE-----\n"
    path = tmp_path_factory.mktemp("tls") / "one.pem"
    path.write_text(Path(certifi.where()).read_text(encoding="utf-8").partition(end)[0] + end, encoding="utf-8")
    return path


@pytest.fixture(autouse=True, scope="module")
def only_one_certificate_is_trusted(one_certificate: Path) -> Iterator[None]:
    """Spare each client of a test the reading of all public certificates, which takes longer than most tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(one_certificate))
        yield
