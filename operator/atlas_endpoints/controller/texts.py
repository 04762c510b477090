"""Texts that people read in a terminal: cut to a length, and without harmful characters."""

MESSAGE_LIMIT = 1024
"""Characters of the message of a condition or an Event: longer ones are cut."""


def shorten(text: str, limit: int) -> str:
    """Return at most ``limit`` characters of a text; an ellipsis marks a cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def printable(text: str) -> str:
    """Return a text from outside without characters that can harm its reader.

    White space of all kinds, line separators included, becomes spaces. Other unprintable characters become U+FFFD: control characters
    (also in terminal escapes), bidirectional overrides and lone surrogates.
    """
    return text if text.isprintable() else "".join(map(_printable, text))


def _printable(char: str) -> str:
    if char.isprintable():
        return char
    return " " if char.isspace() else "\ufffd"
