"""The twins of `make bench-torch` do what our models do: as many weights, the same outputs, as many operations."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import shared
from bench_torch import CASES, configured, rows_of
from bench_torch_ours import operations
from bench_torch_turns import PRODUCT, REPOSITORY, Child, Failure, torch_command
from ml_collections import ConfigDict

# all the networks and losses of the twins, small
SMALL = {
    "dcgan": ("dcgan_digits", {"model.base_channels": 3, "model.latent_dim": 5}, 32),
    "wgan_gp": ("wgan_gp_cifar10", {"model.base_channels": 3, "model.latent_dim": 5, "batch_size": 10}, 32),
    "rpgan": ("rpgan_cifar10", {"model.base_channels": 3, "model.latent_dim": 5, "batch_size": 4}, 16),
    "gated_pixel_cnn": ("gated_pixel_cnn_cifar10", {"model.base_channels": 3, "model.depth": 3, "batch_size": 2}, 16),
}
TORCH = torch_command(os.environ.get("GENZOO_TORCH", ""))
needs_torch = pytest.mark.skipif(
    TORCH is None, reason="no Python with torch: make bench-torch makes one, or name one in GENZOO_TORCH"
)


def twin(told: dict, workdir: Path, stdin: str = "") -> list[dict]:
    """Run the twin on what it is told, and return what it answers to `stdin`."""
    file = workdir / "told.json"
    file.write_text(json.dumps(told))
    # on one processor: beside other tests its threads would wait for each other
    command = [
        "taskset",
        "-c",
        str(min(os.sched_getaffinity(0))),
        *TORCH,
        str(REPOSITORY / "tests" / "torch_twins.py"),
        str(file),
    ]
    made = subprocess.run(command, input=stdin, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return [json.loads(line) for line in made.stdout.splitlines()]


@needs_torch
@pytest.mark.parametrize("name", SMALL)
def test_a_twin_has_our_weights_outputs_slopes_and_operations(name, tmp_path):
    import tensorflow as tf

    recipe, changes, size = SMALL[name]
    told = configured(recipe, {**changes, "data.image_size": size, "ema": 0.9})
    trainer = shared.trainer(ConfigDict(told["settings"]), tmp_path / "run")
    model, rng = trainer.model, np.random.default_rng(0)
    players = {player: getattr(model, player) for player in model.player_names}
    given = {}
    for player, network in players.items():
        for index, weight in enumerate(network.trainable_variables):
            weight.assign(rng.normal(0.0, 0.2, weight.shape))
            given[f"{player}/{index:03}"] = weight.numpy()
        shape = (model.latent_dim,) if player == "generator" else told["shape"]
        given[f"input of {player}"] = rng.uniform(-1.0, 1.0, (4, *shape)).astype(np.float32)
    np.savez(tmp_path / "given.npz", **given)

    twin({**told, "compare": str(tmp_path / "given.npz")}, tmp_path)
    made = np.load(tmp_path / "given.npz")
    for player in players:
        x = tf.constant(given[f"input of {player}"])
        if player == "generator":
            output = model.generator({"z": x}, training=True)["image"]
        elif player == "network":
            output = model.maps["log_prob"]({"image": x})["log_prob"]
        else:
            with tf.GradientTape() as tape:
                tape.watch(x)
                output = model.discriminator(x, training=True)
            slope = tf.reduce_sum(tape.gradient(output, x) ** 2, axis=(1, 2, 3))
            np.testing.assert_allclose(made["slope"], slope, rtol=2e-3)
        np.testing.assert_allclose(made[f"output of {player}"], output, rtol=1e-3, atol=1e-4)

    trainer.restart_iterator()
    ready, counted = twin(told, tmp_path, "operations 0\n")
    weights = {
        player: sum(int(np.prod(w.shape)) for w in network.trainable_variables) for player, network in players.items()
    }
    assert ready["weights"] == weights
    # where there is the gradient of a gradient they were 156 of 61 million and 48 of 12 million apart, unexplained
    assert counted["answer"] == pytest.approx(operations(trainer), rel=1e-5)


def test_operations_by_hand(tmp_path):
    """A DCGAN of one doubling on 8 px digits: a convolution or product and its gradients, pass by pass."""
    trainer = shared.trainer(
        shared.tiny_config("dcgan", **{"model.base_channels": 2, "model.kernel_size": 3, "model.latent_dim": 5}),
        tmp_path,
    )
    trainer.restart_iterator()
    batch, side, base = 4, 4, 2
    dense = 2 * batch * 5 * side * side * base  # noise to the map of the generator
    convolution = 2 * batch * side * side * 9 * 1 * base  # between the map and the picture, in both networks
    output = 2 * batch * side * side * base  # of the discriminator
    of_discriminator = convolution + output
    # D's update: G forward, D forward on both; back to D's weights, but not to the pictures
    first = dense + convolution + 2 * of_discriminator + 2 * (convolution + 2 * output)
    # G's update: both forward, back through D to the picture, then to G's weights, but not to the noise
    second = dense + convolution + of_discriminator + of_discriminator + 2 * convolution + dense
    assert operations(trainer) == first + second


def test_every_case_is_a_configuration_that_a_twin_knows():
    for recipe, changes, _ in CASES.values():
        told = configured(recipe, changes)
        assert told["settings"]["model"]["name"] in SMALL
        assert told["shape"][0] == told["shape"][1]


def child(workdir: Path, body: str) -> Child:
    """Start a child that is this program."""
    script = workdir / "child.py"
    script.write_text("import time\nfrom bench_torch_turns import serve\n" + body)
    return Child([sys.executable, str(script)], {}, threads=1)


def test_a_child_runs_only_while_it_is_asked(tmp_path):
    made = child(tmp_path, "serve({'weights': 3}, {'go': lambda n: (print('noise'), time.sleep(n / 100))})")
    try:
        made.wait()
        assert made.told == {"weights": 3}
        passed, ran = made.ask("go", 5)
        assert passed >= 0.05
        assert ran < 0.05
        stat = Path(f"/proc/{made._process.pid}/stat")
        deadline = time.monotonic() + 10
        while stat.read_text().rpartition(")")[2].split()[0] != "T":
            assert time.monotonic() < deadline, "it goes on while others have their turn"
    finally:
        made.close()


def test_a_child_that_fails_says_why(tmp_path):
    made = child(tmp_path, "raise ValueError('no kernel')")
    with pytest.raises(Failure, match="ValueError: no kernel"):
        made.wait()
    made.close()


def test_the_share_of_the_machines_rate_by_hand():
    children = {
        name: SimpleNamespace(told={"weights": {"network": 1234}}, ask=lambda command: 2 * PRODUCT**3)
        for name in ("ours", "eager", "channels_last")
    }
    times = {
        "ours": [0.3, 0.3, 0.3],
        "eager": [1.0, 1.0, 1.0],
        "channels_last": [0.6, 0.6, 0.6],
        "product of PyTorch": [0.15, 0.15, 0.15],
        "product of TensorFlow": [0.2, 0.2, 0.2],
    }
    ours, eager, best, *_ = rows_of("a case", children, times)
    assert ours[:6] == ["a case", "ours", "1,234", "17.18", "3", "300 (300 300)"]
    assert ours[6:] == ["0.50 (0.50 0.50)", "57", "0.50"], "a step of as many operations takes twice as long"
    assert best[1] == "channels_last *"
    assert eager[-1] == "0.15"
