"""Which processes train together: the workers that TF_CONFIG names, or the tasks of a SLURM step. No TensorFlow here.

TensorFlow has a resolver for SLURM, `tf.distribute.cluster_resolver.SlurmClusterResolver`. It is not used, since in
TensorFlow 2.21 it sorts hosts as text, so that the first task of n[8-11] is told that it is on n10; takes a task for
that number in this order, whichever node it is on; refuses names with two ranges; and must be imported, while a
configuration is checked before TensorFlow is. Unless it is told all about GPUs it also fails where there is no
nvidia-smi and where a task sees fewer GPUs than its node has tasks, and numbers them from 0, whichever SLURM gave.
Where it is right, the addresses here are the same.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from zoo.shared.errors import UserError

_ADDRESS = re.compile(r"\S+:[0-9]{1,5}")
_EXAMPLE = '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'

HOW = f"TF_CONFIG in the environment, such as {_EXAMPLE}, or a SLURM step of several tasks (srun --ntasks=2)"

_TASKS = "SLURM_STEP_NUM_TASKS"
_NODES = "SLURM_STEP_NODELIST"
_TASKS_PER_NODE = "SLURM_STEP_TASKS_PER_NODE"
# below the ports that systems hand out by themselves; each step has its own, since jobs may share a node
_FIRST_PORT, _PORTS_A_STEP, _STEPS = 10_000, 64, 300


@dataclass(frozen=True)
class Cluster:
    """The addresses "host:port" of all workers, the chief's first, and the index of this process among them.

    `source` says who named them, by a variable without which there are none. A process that trains alone has no
    addresses and the index 0.
    """

    addresses: tuple[str, ...] = ()
    index: int = 0
    source: str = ""


def found(environment: Mapping[str, str] = os.environ) -> Cluster:
    """Return the workers that an environment names: TF_CONFIG, else the variables of a SLURM step of several tasks.

    Raises `UserError` for variables that are not as they must be.
    """
    if text := environment.get("TF_CONFIG"):
        return _from_tf_config(text)
    if environment.get(_TASKS) not in (None, "", "1"):
        return _from_slurm(environment)
    return Cluster()


def _from_tf_config(text: str) -> Cluster:
    try:
        value = json.loads(text)
        workers, task = value["cluster"]["worker"], value["task"]
        index = task["index"]
        is_whole = (
            list(value["cluster"]) == ["worker"]
            and task["type"] == "worker"
            and isinstance(workers, list)
            and all(_ADDRESS.fullmatch(worker) and int(worker.rpartition(":")[2]) < 2**16 for worker in workers)
            and type(index) is int
            and 0 <= index < len(workers)
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        is_whole = False
    if not is_whole:
        raise UserError(f"TF_CONFIG must be like {_EXAMPLE}, with a worker's own index; it is {text!r:.200}")
    return Cluster(tuple(workers), index, "TF_CONFIG")


def _from_slurm(environment: Mapping[str, str]) -> Cluster:
    """Return the tasks of the SLURM step, node after node, each with a port of its own.

    The order of the nodes is that of the step. The index follows from the node and the number of the task on it, not
    from SLURM_PROCID: with --distribution=cyclic the tasks of a node are no neighbours by that.
    """
    names = (_TASKS, _NODES, _TASKS_PER_NODE, "SLURMD_NODENAME", "SLURM_LOCALID", "SLURM_JOB_ID", "SLURM_STEP_ID")
    if missing := [name for name in names if not environment.get(name)]:
        raise UserError(f"{_TASKS} is set and {missing[0]} is not: start the workers with srun, or set TF_CONFIG")
    given = {name: environment[name] for name in names}
    try:
        counts = list(_repeated(given[_TASKS_PER_NODE]))
        tasks = [
            (host, task) for host, count in zip(hosts(given[_NODES]), counts, strict=True) for task in range(count)
        ]
        if len(tasks) != int(given[_TASKS]) or max(counts) > _PORTS_A_STEP:
            raise ValueError
        index = tasks.index((given["SLURMD_NODENAME"], int(given["SLURM_LOCALID"])))
        step = int(given["SLURM_JOB_ID"]) + int(given["SLURM_STEP_ID"])
    except (ValueError, OverflowError):
        told = ", ".join(f"{name}={value!r:.80}" for name, value in given.items())
        raise UserError(f"the variables of the SLURM step name no tasks, this one among them: {told}") from None
    first = _FIRST_PORT + _PORTS_A_STEP * (step % _STEPS)
    return Cluster(tuple(f"{host}:{first + task}" for host, task in tasks), index, _TASKS)


def hosts(text: str) -> list[str]:
    """Return the hosts of a list as SLURM writes it: 'n[08-10,12],m' is n08, n09, n10, n12, m.

    Raises `ValueError` for what is no such list.
    """
    parts = re.findall(r"(?:[^,\[\]]|\[[^\[\]]+\])+", text)
    if not text or ",".join(parts) != text:
        raise ValueError(f"{text!r} is no list of hosts")
    return [host for part in parts for host in _expanded(part)]


def _expanded(part: str) -> list[str]:
    """Return the hosts of one name with ranges, of which there may be several: 'r[1-2]n[1-2]' is four."""
    before, bracket, rest = part.partition("[")
    if not bracket:
        return [part]
    ranges, _, after = rest.partition("]")
    numbers = []
    for span in ranges.split(","):
        first, _, last = span.partition("-")
        numbers += [f"{number:0{len(first)}}" for number in range(int(first), int(last or first) + 1)]
    return [f"{before}{number}{end}" for number in numbers for end in _expanded(after)]


def _repeated(text: str) -> Iterator[int]:
    """Yield the tasks of each node: '2(x3),1' is 2, 2, 2, 1."""
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part)
        if not match:
            raise ValueError(f"{text!r} does not count tasks")
        yield from [int(match[1])] * int(match[2] or 1)
