from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import yaml

from control_plane.access import P256_ORDER, new_private_key, render_kubeconfig, write_private

if TYPE_CHECKING:
    from pathlib import Path


def test_a_kubeconfig_holds_all_that_a_client_needs() -> None:
    text = render_kubeconfig(url="https://127.0.0.1:1234", ca="PEM\n", user="reader", token="t0ken", namespace="team")
    config = yaml.safe_load(text)

    [context] = [entry["context"] for entry in config["contexts"] if entry["name"] == config["current-context"]]
    [cluster] = [entry["cluster"] for entry in config["clusters"] if entry["name"] == context["cluster"]]
    [user] = [entry["user"] for entry in config["users"] if entry["name"] == context["user"]]
    assert cluster["server"] == "https://127.0.0.1:1234"
    assert base64.b64decode(cluster["certificate-authority-data"]) == b"PEM\n"
    assert user == {"token": "t0ken"}
    assert context["namespace"] == "team"


def test_a_private_file_stays_private_when_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text("open to all")
    path.chmod(0o644)

    write_private(path, "secret")

    assert path.read_text() == "secret"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_key_is_a_number_of_the_curve_in_rfc_5915s_form() -> None:
    head, *body, tail, empty = new_private_key().split("\n")
    assert (head, tail, empty) == ("-----BEGIN EC PRIVATE KEY-----", "-----END EC PRIVATE KEY-----", "")
    der = base64.b64decode("".join(body))
    assert der[:2] == bytes([0x30, len(der) - 2])
    assert 0 < int.from_bytes(der[7:39], "big") < P256_ORDER
    assert new_private_key() != new_private_key()
