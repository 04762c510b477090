"""The commands in blocks of shell, as far as documentation uses the language: simple commands, pipes, lists, substitutions."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPERATORS = "();<>|&\n"
_ASSIGNMENT = re.compile(r"\w+=")
_SUBSTITUTION = re.compile(r"\$\(([^()]*)\)")
_LEADING = frozenset({"do", "then", "else", "if", "while", "!", "time", "sudo"})
"""Words before a command that are none themselves."""
_OWN = frozenset({"case", "esac", "for", "done", "fi", "exit", "export", "set", "cd", "read", "trap", "[", "*"})
"""Words with which the shell begins something of its own."""


class Command(NamedTuple):
    """A simple command.

    Attributes:
        program: The last part of its path.
        arguments: What follows, without quotes.
    """

    program: str
    arguments: tuple[str, ...]


def commands(text: str) -> list[Command]:
    """Return the commands of a block, those in substitutions too, without what the shell does by itself."""
    parts = [_SUBSTITUTION.sub("substituted", text), *_SUBSTITUTION.findall(text)]
    return [found for part in parts for words in _split(part) if (found := _command(words)) is not None]


def console(text: str) -> str:
    """Return what is typed in a block that shows prompts and what was answered."""
    return "\n".join(line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ "))


def _split(text: str) -> Iterator[list[str]]:
    """Return the words between operators; the target of a redirection is none of them."""
    text = re.sub(r"(^|\s)# .*$", "", text.replace("\\\n", " "), flags=re.MULTILINE)
    lexer = shlex.shlex(text, posix=True, punctuation_chars=_OPERATORS)
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    words: list[str] = []
    redirected = False
    for token in lexer:
        if token and set(token) <= {"<", ">", "&"} and {"<", ">"} & set(token):
            redirected = True
        elif token and set(token) <= set(_OPERATORS):
            yield words
            words = []
        elif redirected:
            redirected = False
        else:
            words.append(token)
    yield words


def _command(words: list[str]) -> Command | None:
    while words and (words[0] in _LEADING or _ASSIGNMENT.match(words[0])):
        words = words[1:]
    if not words or words[0] in _OWN or words[0].isdigit():
        return None
    return Command(words[0].rpartition("/")[2], tuple(words[1:]))
