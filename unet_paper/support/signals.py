"""Ctrl-C and SIGTERM: long work ends where it can be resumed."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any


class Interrupted(KeyboardInterrupt):
    """A signal has stopped the work. The text, if any, says what is kept; `exit_code` is the shell's for the signal."""

    def __init__(self, text: str = "", number: int = signal.SIGINT) -> None:
        super().__init__(text)
        self.exit_code = 128 + number


def in_main_thread() -> bool:
    """Python handles signals only there."""
    return threading.current_thread() is threading.main_thread()


@contextmanager
def ends_on_sigterm() -> Iterator[None]:
    """Inside the `with`, SIGTERM ends the work as Ctrl-C does, so that nothing half-made is left."""

    def end(number: int, frame: FrameType | None) -> None:
        raise Interrupted(number=number)

    if not in_main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        _restore(signal.SIGTERM, before)


def _restore(number: int, handler: Any) -> None:
    """Put back what handled a signal before, unless that was set by other code than Python, which cannot."""
    if handler is not None:
        signal.signal(number, handler)


class Request:
    """The signal that has asked the work to stop, None until then."""

    number: int | None = None


@contextmanager
def stop_requests() -> Iterator[Request]:
    """Inside the `with` the first Ctrl-C or SIGTERM only sets the Request's `number`; a second one stops at once."""
    request = Request()
    if not in_main_thread():
        yield request
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if request.number is not None:
            raise Interrupted(number=number)
        request.number = number
        with suppress(OSError):  # whoever read it may have been stopped too
            os.write(2, b"\nstopping after this step; once more stops at once\n")  # print may be at work already

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            _restore(number, handler)
