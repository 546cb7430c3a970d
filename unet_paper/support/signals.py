"""Ctrl-C and SIGTERM: long work ends at a place from which it can go on."""

import os
import signal
import threading
from contextlib import contextmanager


class Interrupted(KeyboardInterrupt):
    """A signal has stopped the work. The text, if any, says what is kept; `exit_code` is the shell's for the signal."""

    def __init__(self, text="", number=signal.SIGINT):
        super().__init__(text)
        self.exit_code = 128 + number


def in_main_thread():
    """Python handles signals only there."""
    return threading.current_thread() is threading.main_thread()


@contextmanager
def ends_on_sigterm():
    """Inside the `with`, SIGTERM ends the work as Ctrl-C does, so that nothing half-made is left."""

    def end(number, frame):
        raise Interrupted(number=number)

    if not in_main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Request:
    """The signal that has asked the work to stop, None until then."""

    number = None


@contextmanager
def stop_requests():
    """Inside the `with` the first Ctrl-C or SIGTERM only sets the Request's `number`; a second one stops at once."""
    request = Request()
    if not in_main_thread():
        yield request
        return

    def ask(number, frame):
        if request.number is not None:
            raise Interrupted(number=number)
        request.number = number
        os.write(2, b"\nstopping after this step; once more stops at once\n")  # print may be at work already

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
