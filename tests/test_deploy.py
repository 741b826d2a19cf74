"""The files in deploy/: they start what there is, as Kubeflow and SLURM read them."""

import copy
import json
import re
import subprocess
import tomllib
from types import SimpleNamespace

import pytest
import yaml
from shared import REPOSITORY

from train import config
from train.check import check
from train.engine import cluster

MANIFEST = yaml.safe_load((REPOSITORY / "deploy" / "tfjob.yaml").read_text())
SLURM = REPOSITORY / "deploy" / "slurm.sh"
SCRIPTS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"]


def worker():
    return MANIFEST["spec"]["tfReplicaSpecs"]["Worker"]


def container(manifest=MANIFEST):
    (made,) = manifest["spec"]["tfReplicaSpecs"]["Worker"]["template"]["spec"]["containers"]
    return made


def assert_trains(command, workers):
    """The command is one of ours, its recipe and flags are known, and its batch divides over the workers."""
    assert command[0] in SCRIPTS
    given = dict(config.given(command[1:]))
    assert given.keys() == {"recipe", "workdir"}
    settings = config.load(given["recipe"], command[1:])
    check(settings)
    assert settings.batch_size % (workers * settings.model.get("n_critic", 1)) == 0


def as_kubeflow_has_it(manifest):
    """Return the manifest through the operator's own models: a key that they do not know is lost on the way."""
    kubeflow = pytest.importorskip("kubeflow.training", reason="pip install kubeflow-training")
    client = kubeflow.ApiClient()
    made = client.deserialize(SimpleNamespace(data=json.dumps(manifest)), "KubeflowOrgV1TFJob")
    return client.sanitize_for_serialization(made)


def test_the_manifest_is_as_its_schema_wants_it():
    assert as_kubeflow_has_it(MANIFEST) == MANIFEST


@pytest.mark.parametrize("slip", ["another key", "another type", "a key in the container", "no workers", "no name"])
def test_the_schema_finds_a_slip_in_a_manifest(slip):
    manifest = copy.deepcopy(MANIFEST)
    workers = manifest["spec"]["tfReplicaSpecs"]["Worker"]
    if slip == "another key":
        workers["restartPolicies"] = workers.pop("restartPolicy")
    elif slip == "another type":
        workers["replicas"] = "2"
    elif slip == "a key in the container":
        container(manifest)["port"] = container(manifest).pop("ports")
    elif slip == "no workers":
        del manifest["spec"]["tfReplicaSpecs"]
    else:
        del container(manifest)["name"]
    try:
        assert as_kubeflow_has_it(manifest) != manifest
    except ValueError as error:
        assert "must not be `None`" in str(error)


def test_the_manifest_is_what_the_operator_looks_for():
    """Of version 1: a container "tensorflow" with a port "tfjob-port"; only workers, since we know no other task."""
    assert (MANIFEST["apiVersion"], MANIFEST["kind"]) == ("kubeflow.org/v1", "TFJob")
    assert list(MANIFEST["spec"]["tfReplicaSpecs"]) == ["Worker"]
    assert container()["name"] == "tensorflow"
    assert container()["ports"] == [{"name": "tfjob-port", "containerPort": 2222}]
    named = {volume["name"] for volume in worker()["template"]["spec"]["volumes"]}
    assert {mount["name"] for mount in container()["volumeMounts"]} == named


def test_the_workers_of_the_manifest_train_and_find_one_another():
    command = [*container()["command"], *container()["args"]]
    assert_trains(command, worker()["replicas"])
    name, port = MANIFEST["metadata"]["name"], container()["ports"][0]["containerPort"]
    addresses = [f"{name}-worker-{index}.default.svc:{port}" for index in range(worker()["replicas"])]
    told = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": 1}, "environment": "cloud"}
    assert cluster.found({"TF_CONFIG": json.dumps(told)}) == cluster.Cluster(tuple(addresses), 1, "TF_CONFIG")


def test_the_slurm_script_is_a_script_and_its_tasks_train():
    subprocess.run(["bash", "-n", SLURM], check=True)
    text = SLURM.read_text()
    options = dict(re.findall(r"^#SBATCH --([a-z-]+)=(\S+)$", text, re.MULTILINE))
    assert options.keys() >= {"nodes", "ntasks-per-node", "gpus-per-task", "time", "signal"}
    command = text[text.index("genzoo-train") :].replace('"', "").split()
    assert_trains(command, int(options["nodes"]) * int(options["ntasks-per-node"]))


def test_the_slurm_script_wants_a_directory():
    done = subprocess.run(["bash", SLURM], capture_output=True, text=True)
    assert done.returncode != 0 and "usage: sbatch deploy/slurm.sh DIRECTORY" in done.stderr


def test_the_slurm_script_starts_every_task_with_the_shared_places(tmp_path):
    srun = tmp_path / "srun"
    srun.write_text('#!/bin/sh\necho "$GENZOO_CACHE" "$TFDS_DATA_DIR" "$@"\n')
    srun.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_CPUS_PER_TASK": "8"}
    done = subprocess.run(["bash", SLURM, "/all see"], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split(" --kill-on-bad-exit=1 ") == [
        "/all see/cache /all see/tensorflow_datasets",
        "--cpus-per-task=8 genzoo-train --recipe=wgan_gp_cifar10 --workdir=/all see/runs/wgan_gp_cifar10\n",
    ]
