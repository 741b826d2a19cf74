"""SIGTERM and SIGINT as requests to stop."""

import contextlib
import signal
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def stop_signals() -> Iterator[list[str]]:
    """Collect the names of SIGTERM and SIGINT as they come; a second one interrupts at once."""
    received: list[str] = []

    def note(number: int, _frame: object) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(signal.Signals(number).name)
        print(f"\n{received[0]}: saving after the steps under way; once more to stop at once", file=sys.stderr)

    previous = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
