from __future__ import annotations

import os
import pty
import termios
import threading
from typing import TYPE_CHECKING, TextIO

import pytest

from demo import terminal as keyboard
from demo.terminal import Keyboard

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def terminal() -> Iterator[tuple[int, TextIO]]:
    """Both ends of a terminal: where a person types, and what the program reads."""
    person, program = pty.openpty()
    with os.fdopen(program) as stream:
        yield person, stream
    os.close(person)


def test_a_key_of_many_characters_ends_the_wait_and_nothing_of_it_is_left(terminal: tuple[int, TextIO]) -> None:
    person, stream = terminal
    before = termios.tcgetattr(stream)
    pressed = threading.Timer(0.05, os.write, (person, b"\x1b[A"))
    pressed.start()

    Keyboard(stream).wait(lambda: None)
    pressed.join()
    os.write(person, b"typed later\n")

    assert termios.tcgetattr(stream) == before
    assert os.read(stream.fileno(), 100) == b"typed later\n"


def test_an_error_meanwhile_ends_the_wait(terminal: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyboard, "LOOK", 0.01)

    def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        Keyboard(terminal[1]).wait(fail)
