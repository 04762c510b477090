"""Waiting for a key."""

from __future__ import annotations

import os
import pty
import termios
import threading
from typing import TYPE_CHECKING, TextIO

import pytest

from demo import keyboard
from demo.keyboard import Keyboard

if TYPE_CHECKING:
    from collections.abc import Iterator


class Pair:
    """Both ends of a terminal."""

    def __init__(self) -> None:
        self.person, self.program = pty.openpty()
        self.stream: TextIO = os.fdopen(self.program)

    def close(self) -> None:
        os.close(self.person)
        self.stream.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.close()


def test_a_key_is_enough_and_the_terminal_is_as_before(pair: Pair) -> None:
    before = termios.tcgetattr(pair.program)
    pressed = threading.Timer(0.05, os.write, (pair.person, b"x"))
    pressed.start()
    Keyboard(pair.stream).wait(lambda: None)
    pressed.join()
    assert termios.tcgetattr(pair.program) == before


def test_meanwhile_something_else_is_looked_at_which_may_end_it(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyboard, "LOOK", 0.01)
    before = termios.tcgetattr(pair.program)

    def is_gone() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        Keyboard(pair.stream).wait(is_gone)
    assert termios.tcgetattr(pair.program) == before


def test_the_rest_of_a_key_of_many_characters_is_dropped(pair: Pair) -> None:
    pressed = threading.Timer(0.05, os.write, (pair.person, b"\x1b[A"))
    pressed.start()
    Keyboard(pair.stream).wait(lambda: None)
    pressed.join()
    os.write(pair.person, b"typed later\n")
    assert os.read(pair.program, 100) == b"typed later\n"


def test_a_pipe_is_no_keyboard() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as stream:
        assert not Keyboard(stream).is_there()
    os.close(writing)
