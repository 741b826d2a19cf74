"""SIGTERM and SIGINT as requests to stop."""

import contextlib
import signal
import sys
from collections.abc import Iterator


class Interrupted(BaseException):
    """A signal came where what is under way may be left: it is done again when the run is resumed.

    Like KeyboardInterrupt, it is no `Exception`: nobody may take it for a failure.
    """


class StopRequest:
    """Whether a signal asked to stop: true or false; `received` are the names of the signals."""

    def __init__(self) -> None:
        self.received: list[str] = []
        self._may_interrupt = False

    def __bool__(self) -> bool:
        return bool(self.received)

    def note(self, name: str) -> None:
        """Take a signal; a second one interrupts at once."""
        if self.received:
            raise KeyboardInterrupt
        self.received.append(name)
        print(f"\n{name}: saving after the steps under way; once more to stop at once", file=sys.stderr)
        if self._may_interrupt:
            raise Interrupted

    @contextlib.contextmanager
    def may_interrupt(self) -> Iterator[None]:
        """Raise `Interrupted` inside the block as soon as there is a signal, or at its beginning if there was one."""
        self._may_interrupt = True
        try:
            if self.received:
                raise Interrupted
            yield
        finally:
            self._may_interrupt = False


@contextlib.contextmanager
def stop_signals() -> Iterator[StopRequest]:
    """Collect SIGTERM and SIGINT as they come; a second one interrupts at once."""
    request = StopRequest()

    def note(number: int, _frame: object) -> None:
        request.note(signal.Signals(number).name)

    previous = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
