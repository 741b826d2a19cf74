"""Where workers wait for one another: TensorFlow's own waiting is silent and hears no signal."""

import socket
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

_PAUSE = 0.2  # seconds between two tries
_TIMEOUT = 2.0  # seconds of a try
_TOLD_EVERY = 30.0  # seconds
_AT_ONCE = 64  # tries
_NAMED = 4  # workers in a line


def meet(addresses: Sequence[str], index: int) -> None:
    """Return once all workers, at `addresses` ("host:port"), are there, this one being number `index`.

    Every worker listens at its own port. The chief, number 0, waits until all others do, and goes on, so that
    TensorFlow opens the chief's port; for this one the others wait. Whom a worker waits for is told on stderr, at once
    and every 30 seconds.
    """
    if index == 0:
        _wait_for(addresses[1:], index)
    else:
        is_dual = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if is_dual else socket.AF_INET
        port = _split(addresses[index])[1]
        with socket.create_server(("", port), family=family, reuse_port=True, dualstack_ipv6=is_dual):
            _wait_for(addresses[:1], index)


def _wait_for(addresses: Sequence[str], index: int) -> None:
    begun, told = time.monotonic(), 0
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        while True:
            answers = threads.map(_answers, addresses)
            addresses = [address for address, is_there in zip(addresses, answers, strict=True) if not is_there]
            if not addresses:
                return
            waited = time.monotonic() - begun
            if waited >= told * _TOLD_EVERY:
                since = f", {waited:.0f} s" if told else ""
                print(f"worker {index} waits for {_named(addresses)}{since}", file=sys.stderr, flush=True)
                told = int(waited // _TOLD_EVERY) + 1
            time.sleep(_PAUSE)


def _named(addresses: Sequence[str]) -> str:
    more = len(addresses) - _NAMED
    return ", ".join(addresses[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _answers(address: str) -> bool:
    try:
        with socket.create_connection(_split(address), timeout=_TIMEOUT):
            return True
    except OSError:
        return False


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
