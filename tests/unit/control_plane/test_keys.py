from __future__ import annotations

import base64

from control_plane.keys import P256_ORDER, new_private_key


def test_a_key_is_a_number_of_the_curve_in_rfc_5915s_form() -> None:
    head, *body, tail, empty = new_private_key().split("\n")
    assert (head, tail, empty) == ("-----BEGIN EC PRIVATE KEY-----", "-----END EC PRIVATE KEY-----", "")
    der = base64.b64decode("".join(body))
    assert der[:2] == bytes([0x30, len(der) - 2])
    assert 0 < int.from_bytes(der[7:39], "big") < P256_ORDER


def test_no_two_keys_are_the_same() -> None:
    assert new_private_key() != new_private_key()
