"""Which workers an environment names: TF_CONFIG or a SLURM step; beside ours, TensorFlow's own resolver of SLURM."""

import itertools
import json

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from train.engine import cluster, strategies
from train.engine.cluster import Cluster, found, hosts
from zoo.shared.errors import UserError

FIRST = 10_000 + 64 * 8  # the port of step 1 of job 7


def step(nodes, tasks_per_node, node, local, **changes):
    """Return the variables that SLURM sets for one task of a step; the number of tasks is that of `tasks_per_node`."""
    counts = list(cluster._repeated(tasks_per_node))
    known = {
        "SLURM_STEP_NUM_TASKS": str(sum(counts)),
        "SLURM_STEP_NODELIST": nodes,
        "SLURM_STEP_TASKS_PER_NODE": tasks_per_node,
        "SLURMD_NODENAME": node,
        "SLURM_LOCALID": str(local),
        "SLURM_JOB_ID": "7",
        "SLURM_STEP_ID": "1",
    }
    return {name: value for name, value in {**known, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n1", ["n1"]),
        ("n1,m", ["n1", "m"]),
        ("n[1-3]", ["n1", "n2", "n3"]),
        ("n[08-10,12],m[3]", ["n08", "n09", "n10", "n12", "m3"]),
        ("n[8-11]", ["n8", "n9", "n10", "n11"]),
        ("r[1-2]n[1-2]", ["r1n1", "r1n2", "r2n1", "r2n2"]),
        ("gpu-[1-2]-ib.site", ["gpu-1-ib.site", "gpu-2-ib.site"]),
    ],
)
def test_lists_of_hosts_are_read_as_slurm_writes_them(text, expected):
    assert hosts(text) == expected


@pytest.mark.parametrize("text", ["", ",", "n1,", "n[1-2", "n1]", "n[]", "n[a-b]", "n[1-2-3]", "n[[1]]", "n[1,]"])
def test_what_is_no_list_of_hosts_is_refused(text):
    with pytest.raises(ValueError):
        hosts(text)


def test_every_task_of_a_step_knows_all_and_itself():
    addresses = tuple(f"{host}:{FIRST + task}" for host, task in [("n8", 0), ("n8", 1), ("n9", 0), ("n10", 0)])
    for index, (node, local) in enumerate([("n8", 0), ("n8", 1), ("n9", 0), ("n10", 0)]):
        assert found(step("n[8-10]", "2,1(x2)", node, local)) == Cluster(addresses, index, "SLURM_STEP_NUM_TASKS")


def test_steps_that_share_a_node_have_other_ports():
    made = [found(step("n", "4", "n", 0, SLURM_STEP_ID=str(number))).addresses for number in range(5)]
    assert len(set(itertools.chain(*made))) == 20
    assert all(10_000 <= int(address.rpartition(":")[2]) < 2**15 for address in itertools.chain(*made))


def test_tf_config_goes_before_slurm_and_one_task_is_alone():
    task = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}, "environment": "cloud"}
    assert found({**step("n[1-2]", "1(x2)", "n1", 0), "TF_CONFIG": json.dumps(task)}) == Cluster(
        ("a:1", "b:2"), 1, "TF_CONFIG"
    )
    alone = [found(step("n1", "1", "n1", 0)), found({}), found({"TF_CONFIG": ""}), found({"SLURM_STEP_NUM_TASKS": ""})]
    assert alone == [Cluster()] * 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"SLURM_STEP_NODELIST": None},
            "SLURM_STEP_NUM_TASKS is set and SLURM_STEP_NODELIST is not: start the workers",
        ),
        ({"SLURM_LOCALID": ""}, "SLURM_STEP_NUM_TASKS is set and SLURM_LOCALID is not"),
        ({"SLURM_STEP_NODELIST": "n[1-"}, r"name no tasks, this one among them: .*SLURM_STEP_NODELIST='n\[1-'"),
        ({"SLURM_STEP_NODELIST": "n[1-3]"}, "name no tasks"),
        ({"SLURM_STEP_TASKS_PER_NODE": "1(x2"}, "name no tasks"),
        ({"SLURM_STEP_NUM_TASKS": "3"}, "name no tasks"),
        ({"SLURM_STEP_NUM_TASKS": "two"}, "name no tasks"),
        ({"SLURMD_NODENAME": "n3"}, "name no tasks"),
        ({"SLURM_LOCALID": "1"}, "name no tasks"),
        ({"SLURM_JOB_ID": "x"}, "name no tasks"),
        ({"SLURM_STEP_TASKS_PER_NODE": "65(x2)", "SLURM_STEP_NUM_TASKS": "130"}, "name no tasks"),
    ],
)
def test_variables_that_contradict_are_one_line(changes, message):
    with pytest.raises(UserError, match=message) as error:
        found(step("n[1-2]", "1(x2)", "n1", 0, **changes))
    assert "\n" not in str(error.value)


@given(st.text(max_size=20), st.text(max_size=12))
def test_any_variables_are_either_whole_or_refused(nodes, tasks):
    try:
        assert found({**step("n[1-2]", "2", "n1", 0), "SLURM_STEP_NODELIST": nodes, "SLURM_STEP_TASKS_PER_NODE": tasks})
    except UserError as error:
        assert "SLURM" in str(error)


@pytest.mark.parametrize(
    ("nodes", "tasks_per_node", "tasks"),
    [
        ("n[1-3]", "1(x3)", [("n1", 0), ("n2", 0), ("n3", 0)]),
        ("a[08-10],b", "2,1(x2),2", [("a08", 0), ("a08", 1), ("a09", 0), ("a10", 0), ("b", 0), ("b", 1)]),
    ],
)
def test_tensorflows_own_resolver_says_the_same_where_it_is_right(monkeypatch, nodes, tasks_per_node, tasks):
    """It numbers by SLURM_PROCID, which is as ours where tasks are laid node after node."""
    for rank, (node, local) in enumerate(tasks):
        ours = step(nodes, tasks_per_node, node, local, SLURM_PROCID=str(rank))
        for name, value in ours.items():
            monkeypatch.setenv(name, value)
        theirs = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=FIRST, gpus_per_node=len(tasks), gpus_per_task=1, auto_set_gpu=False
        )
        assert theirs.cluster_spec().as_dict() == {"worker": list(found(ours).addresses)}
        assert theirs.get_task_info() == ("worker", found(ours).index)


def test_the_first_task_of_a_step_is_the_chief_and_one_device_is_refused(monkeypatch):
    for node, is_chief in (("n9", True), ("n10", False)):  # as text, n10 comes first
        for name, value in step("n[9-10]", "1(x2)", node, 0).items():
            monkeypatch.setenv(name, value)
        assert strategies.is_chief() is is_chief
        strategies.check("auto")
        strategies.check("multi_worker")
        with pytest.raises(UserError, match=r"SLURM_STEP_NUM_TASKS names 2 workers, but .* or unset SLURM_STEP_NUM"):
            strategies.check("one_device")
