"""Removal of credentials from answers.

A server in Atlas's place, or a proxy, may echo a request in its error, and more people read errors than the Secret. The removed
forms are those in which requests carry a secret and in which servers quote them.
"""

import base64
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

HIDDEN = "***"

SHORTEST = 8
"""Characters from which on a secret is hidden. Atlas's have 36 and more, and what is shorter may be a part of any word."""

_WORD = r"(?-i:[A-Z]?[a-z]{0,14}|[A-Z]{0,15})[.]?(?![\w.~+/=-])"
"""A word of a sentence, such as "authentication", and no token: tokens have digits, signs or capitals inside, or are long."""

_SHAPES = re.compile(
    rf"(?is)\b(basic|bearer)\s+(?!{_WORD})[\w.~+/=-]{{8,}}"
    r'|\bdigest\s+(?=\w+=)(?:.*\b)?\w+=(?:"[^"]*"?|\S*)'  # up to its last parameter, since a realm may hold any words
    r"|mdb_sa_sk_\S+"
)
_ANSWER_OF_DIGEST = re.compile(r'\b(?:response|cnonce)="([^"]+)"')


def carried(secret: str, authorization: str) -> tuple[str, ...]:
    """Return the secrets that a request carries: that of the credentials, and those in its header ("" if it has none)."""
    return (secret, authorization.partition(" ")[2], *_ANSWER_OF_DIGEST.findall(authorization))


def redacted(text: str, hide: Iterable[str]) -> str:
    """Return the text of an error without these secrets and without whatever looks like one."""
    return _hidden(_SHAPES.sub(HIDDEN, text), _forms(hide))


def without(parsed: Any, hide: Iterable[str]) -> Any:
    """Return the JSON of a success, whose texts become statuses, without these secrets; it is changed in place.

    The search takes place after parsing, since the text may hold a secret with escapes.
    """
    forms = tuple(_forms(hide))
    root = [parsed]
    pending: list[Any] = [root]  # no recursion: JSON may be deeper than Python calls
    while pending:
        container = pending.pop()
        for key, value in container.items() if isinstance(container, dict) else enumerate(container):
            if isinstance(value, str):
                container[key] = _hidden(value, forms)
            elif isinstance(value, dict | list):
                pending.append(value)
    return root[0]


def _hidden(text: str, forms: Iterable[str]) -> str:
    for form in forms:
        text = text.replace(form, HIDDEN)
    return text


def _forms(hide: Iterable[str]) -> Iterator[str]:
    for secret in hide:
        if len(secret) < SHORTEST:
            continue
        yield from {secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()}
