"""Workers wait for one another in Python, where signals are heard, and say for whom."""

import socket
import threading

import pytest
import tensorflow as tf

from train.engine import rendezvous, strategies
from zoo.shared.errors import UserError


def free_addresses(count):
    places = [socket.socket() for _ in range(count)]
    for place in places:
        place.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{place.getsockname()[1]}" for place in places]
    for place in places:
        place.close()
    return addresses


def test_nobody_goes_on_before_all_are_there(capfd):
    addresses, arrived = free_addresses(3), []

    def worker(index):
        rendezvous.meet(addresses, index)
        arrived.append(index)
        if index == 0:  # TensorFlow opens the chief's port
            host, _, port = addresses[0].rpartition(":")
            opened.append(socket.create_server((host, int(port))))

    opened: list[socket.socket] = []
    threads = [threading.Thread(target=worker, args=(index,)) for index in range(3)]
    for thread in threads[:2]:
        thread.start()
    threads[0].join(timeout=1.0)
    assert arrived == [], "one worker is missing"
    told = capfd.readouterr().err
    (line,) = [line for line in told.splitlines() if line.startswith("worker 0 waits for ")]
    assert line.endswith(addresses[2]), "beside it perhaps worker 1, which was not there yet"
    assert told.count("worker 1 waits") == 1
    threads[2].start()
    for thread in threads:
        thread.join(timeout=20.0)
    opened[0].close()
    assert sorted(arrived) == [0, 1, 2] and arrived[0] == 0


def test_how_long_a_worker_has_waited_is_told_again_and_again(monkeypatch, capfd):
    """Two are missing; one comes after the first 30 s, the other after 95 s."""
    clock = [0.0]
    arrivals = {"b:1": 31.0, "c:1": 95.0, "d:1": 0.0}
    monkeypatch.setattr(rendezvous, "_answers", lambda address: clock[0] >= arrivals[address])
    monkeypatch.setattr(rendezvous.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(rendezvous.time, "sleep", lambda _: clock.__setitem__(0, clock[0] + 10.0))
    rendezvous.meet(["a:1", "b:1", "c:1", "d:1"], 0)
    assert capfd.readouterr().err.splitlines() == [
        "worker 0 waits for b:1, c:1",
        "worker 0 waits for b:1, c:1, 30 s",
        "worker 0 waits for c:1, 60 s",
        "worker 0 waits for c:1, 90 s",
    ]


def test_of_many_missing_workers_some_are_named():
    assert rendezvous._named(["a:1"] * 4) == "a:1, a:1, a:1, a:1"
    assert rendezvous._named(["a:1"] * 63) == "a:1, a:1, a:1, a:1 and 59 more"


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine knows no IPv6")
def test_workers_meet_at_ipv6_addresses():
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as chief:
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as place:
            own = place.getsockname()[1]
        addresses = [f"[::1]:{chief.getsockname()[1]}", f"[::1]:{own}"]
        worker = threading.Thread(target=rendezvous.meet, args=(addresses, 1))
        worker.start()
        worker.join(timeout=20.0)
        assert not worker.is_alive()


def test_a_lone_worker_waits_for_nobody(capfd):
    rendezvous.meet(["127.0.0.1:1"], 0)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("address", "parts"), [("host:2222", ("host", 2222)), ("10.0.0.1:80", ("10.0.0.1", 80)), ("[::1]:80", ("::1", 80))]
)
def test_addresses(address, parts):
    assert rendezvous._split(address) == parts


def test_the_loss_of_another_worker_is_one_line(monkeypatch):
    cluster = '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}'
    lost = tf.errors.UnavailableError(None, None, "Graph\nCollective ops is aborted by: Socket closed\nmore")
    monkeypatch.setenv("TF_CONFIG", cluster)
    told = r"another worker ended or cannot be reached \(Socket closed\): start all"
    with pytest.raises(UserError, match=told), strategies.all_workers_alive():
        raise lost
    monkeypatch.delenv("TF_CONFIG")
    with pytest.raises(tf.errors.UnavailableError), strategies.all_workers_alive():
        raise lost
