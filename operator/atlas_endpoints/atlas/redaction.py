"""Takes out of answers what they give back of the credentials that they were asked with. Pure.

Whoever answers in Atlas's place, or a proxy on the way, may show a request in its error; and errors are shown to more people
than may read the Secret. What is hidden are the forms in which requests carry a secret and in which servers quote them.
"""

import base64
import json
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

HIDDEN = "***"

SHORTEST = 8
"""Characters below which a secret is left in answers of success: it would be found in words that have nothing to do with it.

Atlas's own have 36 and more."""

_LARGE = 10.0**300
"""No number of Atlas is as large, and to write one of thousands of digits takes long: it is hidden unseen."""

_WORD = r"(?-i:[A-Z]?[a-z]{0,14}|[A-Z]{0,15})[.]?(?![\w.~+/=-])"
"""A word of a sentence, such as "authentication", and no token: those have digits, signs or capitals within, or are long."""

_SHAPES = re.compile(
    rf"(?is)\b(basic|bearer)\s+(?!{_WORD})[\w.~+/=-]{{8,}}"
    r'|\bdigest\s+(?=\w+=)(?:.*\b)?\w+=(?:"[^"]*"?|\S*)'  # up to its last parameter; a realm may hold any words
    r"|mdb_sa_sk_\S+"
)
_ANSWER_OF_DIGEST = re.compile(r'\b(?:response|cnonce)="([^"]+)"')


def carried(secret: str, authorization: str) -> tuple[str, ...]:
    """Give what a request carries and nobody may see.

    Args:
        secret: of the credentials.
        authorization: the header of the request; empty when it has none.
    """
    return (secret, authorization.partition(" ")[2], *_ANSWER_OF_DIGEST.findall(authorization))


def redacted(text: str, hide: Iterable[str]) -> str:
    """Take secrets out of an error's words: those that are known, and whatever looks like one."""
    text = _SHAPES.sub(HIDDEN, text)
    return _hidden(text, _forms(hide, shortest=1))


def without(parsed: Any, hide: Collection[str]) -> Any:
    """Take secrets out of an answer of success, none of whose fields is one.

    Args:
        parsed: JSON, which is changed in place. In its text a secret may be written with escapes, and so is looked for afterwards.
            Names of members stay: they are only compared with those that are known.
        hide: secrets.
    """
    forms = tuple(_forms(hide, shortest=SHORTEST))
    # A number becomes text where a field of text is wanted. To write all numbers out would take longer than to parse them.
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
        yield from dict.fromkeys(  # many are the same
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
