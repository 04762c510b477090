"""Removal of credentials from answers.

A server in Atlas's place, or a proxy, may echo a request in its error, and more people read errors than the Secret. The removed
forms are those in which requests carry a secret and in which servers quote them.
"""

import base64
import json
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

HIDDEN = "***"

SHORTEST = 8
"""Characters of a secret that is removed from a success; a shorter one also occurs in unrelated words.

Atlas's own have 36 and more.
"""

_LARGE = 10.0**300
"""No number of Atlas is as large, and formatting one of thousands of digits takes long: it is hidden as a whole."""

_WORD = r"(?-i:[A-Z]?[a-z]{0,14}|[A-Z]{0,15})[.]?(?![\w.~+/=-])"
"""A word of a sentence, such as "authentication", and no token: tokens have digits, signs or capitals inside, or are long."""

_SHAPES = re.compile(
    rf"(?is)\b(basic|bearer)\s+(?!{_WORD})[\w.~+/=-]{{8,}}"
    r'|\bdigest\s+(?=\w+=)(?:.*\b)?\w+=(?:"[^"]*"?|\S*)'  # up to its last parameter, since a realm may hold any words
    r"|mdb_sa_sk_\S+"
)
_ANSWER_OF_DIGEST = re.compile(r'\b(?:response|cnonce)="([^"]+)"')


def carried(secret: str, authorization: str) -> tuple[str, ...]:
    """Return the secrets that a request carries: that of the credentials, and those in its header (or the empty string)."""
    return (secret, authorization.partition(" ")[2], *_ANSWER_OF_DIGEST.findall(authorization))


def redacted(text: str, hide: Iterable[str]) -> str:
    """Return the text of an error without these secrets and without whatever looks like one."""
    text = _SHAPES.sub(HIDDEN, text)
    return _hidden(text, _forms(hide, shortest=1))


def without(parsed: Any, hide: Collection[str]) -> Any:
    """Return the JSON of a success without these secrets; it is changed in place.

    The search takes place after parsing, since the text may hold a secret with escapes. Names of members stay: the operator only
    compares them with known names.
    """
    forms = tuple(_forms(hide, shortest=SHORTEST))
    # A field of text turns a number into text. To format all numbers would take longer than to parse them.
    of_digits = tuple(form for form in forms if not form.strip("0123456789.+-eE"))
    root = [parsed]
    pending: list[Any] = [root]  # no recursion: JSON may be deeper than Python calls
    while pending:
        container = pending.pop()
        for key, value in container.items() if isinstance(container, dict) else enumerate(container):
            if isinstance(value, str):
                container[key] = _hidden(value, forms)
            elif of_digits and isinstance(value, int | float):
                if abs(value) >= _LARGE or any(form in str(value) for form in of_digits):
                    container[key] = HIDDEN
            elif isinstance(value, dict | list):
                pending.append(value)
    return root[0]


def _hidden(text: str, forms: Iterable[str]) -> str:
    for form in forms:
        text = text.replace(form, HIDDEN)
    return text


def _forms(hide: Iterable[str], *, shortest: int) -> Iterator[str]:
    for secret in hide:
        if len(secret) < shortest:
            continue
        raw = secret.encode()
        yield from dict.fromkeys(  # most forms of a secret are equal
            (
                secret,
                json.dumps(secret)[1:-1],
                json.dumps(secret, ensure_ascii=False)[1:-1],
                quote(secret, safe=""),
                quote_plus(secret),
                base64.b64encode(raw).decode(),
                base64.urlsafe_b64encode(raw).decode().rstrip("="),
            )
        )
