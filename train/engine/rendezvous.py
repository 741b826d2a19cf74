"""Where workers wait for one another: TensorFlow's own waiting is silent and hears no signal."""

import socket
import sys
import time
from collections.abc import Sequence

_PAUSE = 0.2  # seconds between two tries
_TIMEOUT = 2.0  # seconds of a try


def meet(addresses: Sequence[str], index: int) -> None:
    """Return once all workers, at `addresses` ("host:port"), are there, this one being number `index`.

    Every worker listens at its own port. The chief, number 0, waits until all others do, and goes on, so that
    TensorFlow opens the chief's port; for this one the others wait. Whom a worker waits for is told on stderr.
    """
    if index == 0:
        for address in addresses[1:]:
            _wait_for(address, index)
    else:
        is_dual = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if is_dual else socket.AF_INET
        port = _split(addresses[index])[1]
        with socket.create_server(("", port), family=family, reuse_port=True, dualstack_ipv6=is_dual):
            _wait_for(addresses[0], index)


def _wait_for(address: str, index: int) -> None:
    is_told = False
    while not _answers(address):
        if not is_told:
            print(f"worker {index} waits for {address}", file=sys.stderr, flush=True)
            is_told = True
        time.sleep(_PAUSE)


def _answers(address: str) -> bool:
    try:
        with socket.create_connection(_split(address), timeout=_TIMEOUT):
            return True
    except OSError:
        return False


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
