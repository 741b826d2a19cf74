"""Few labels and samples: known answers on the embedded scans, with generators that are planted."""

import numpy as np
import pytest

from train.uses import augmentation, few_labels, few_pictures, stored
from zoo.shared.errors import UserError

CHOICE = {"rate": 3e-3, "shift": 0.1, "policy": "translation", "share": 0.5}


@pytest.fixture(scope="module")
def task():
    return few_labels.load("digits")


@pytest.fixture
def study(tmp_path):
    told = augmentation.protocol("digits", 0.1)
    result = stored.new("augmentation", "digits", told, [3])
    result["cells"]["choice, 10"] = {"chosen": CHOICE, "seconds": 0.0}
    return stored.Study(result, tmp_path, tmp_path / "x.json")


def images(table):
    return np.asarray(table.columns["image"])


def rows_of(table):
    return {picture.tobytes() for picture in images(table)}


def test_the_train_split_is_parted_in_two_and_the_test_split_left_alone(task):
    assert [len(part) for part in task] == [1373, 125, 299]
    (whole, _) = (few_labels.data.load(few_labels.config.source("digits"), split)[0] for split in ("train", "test"))
    np.testing.assert_array_equal(np.concatenate([images(task.pool), images(task.validation)]), images(whole))


def test_labels_are_so_many_of_each_class_and_fewer_are_among_more(task):
    few, more, other = (few_labels.drawn(task.pool, count, seed) for count, seed in ((5, 0), (20, 0), (5, 1)))
    np.testing.assert_array_equal(np.bincount(few.columns["label"]), [5] * 10)
    assert rows_of(few) < rows_of(more) < rows_of(task.pool)
    assert rows_of(few) != rows_of(other)
    with pytest.raises(UserError, match="the pool has 13. pictures of class"):
        few_labels.drawn(task.pool, 140, 0)


def test_the_generator_sees_the_labelled_pictures_and_no_others(study, task, monkeypatch):
    class Seen(Exception):
        pass

    def run(create, source, *rest, **options):
        raise Seen(source)

    monkeypatch.setattr(few_pictures, "Run", run)
    with pytest.raises(Seen) as caught:
        augmentation.measure(study, "10, seed 3")
    (source,) = caught.value.args
    wanted = few_labels.drawn(task.pool, 10, 3)
    assert len(source) == 1
    for name in ("image", "label"):
        np.testing.assert_array_equal(source[0].columns[name], wanted.columns[name])


def test_a_perfect_generator_helps_one_of_noise_does_not_and_all_rows_have_as_many_updates(study, task, monkeypatch):
    monkeypatch.setattr(augmentation, "samples", lambda *_: task.pool)
    perfect = augmentation.measure(study, "10, seed 3")
    assert set(perfect["updates"].values()) == {100}
    accuracy = perfect["accuracy"]
    assert list(accuracy) == list(augmentation.ROWS)
    assert accuracy["samples"] > accuracy["labels alone"] + 0.02
    assert accuracy["samples alone"] > accuracy["labels alone"] + 0.02

    noise = np.random.default_rng(0).integers(256, size=(100, 8, 8, 1), dtype=np.uint8)
    made = few_labels.labelled(task.pool, noise, np.arange(100, dtype=np.int32) % 10)
    monkeypatch.setattr(augmentation, "samples", lambda *_: made)
    worthless = augmentation.measure(study, "10, seed 3")["accuracy"]
    assert worthless["samples alone"] < 0.3
    # what saw no samples is a function of the seed
    assert all(worthless[row] == accuracy[row] for row in ("labels alone", "classic"))


def test_a_batch_has_as_many_samples_as_its_share_says(task, monkeypatch):
    seen = []
    network = few_labels.classifier((8, 8, 1), 10)

    def trained(parts, steps, rate, seed, **moves):
        seen.append(([(len(part), count) for part, count in parts], rate, moves))
        network.optimizer = type("Optimizer", (), {"iterations": steps})()
        return network

    monkeypatch.setattr(few_labels, "trained", trained)
    few, made = few_labels.drawn(task.pool, 1, 0), few_labels.drawn(task.pool, 2, 0)
    told = {"classifier_steps": 7, "flips": True}
    augmentation.scores(told, few, made, task.validation, CHOICE | {"share": 0.25}, 0)
    both, classic = [(10, 48), (20, 16)], {"flips": True, "shift": 0.1}
    assert seen == [
        ([(10, 64)], 3e-3, {}),
        ([(10, 64)], 3e-3, classic),
        (both, 3e-3, {}),
        (both, 3e-3, classic),
        ([(20, 64)], 3e-3, {}),
    ]


def test_choices_are_made_by_the_validation_part(study, task, monkeypatch):
    judged = []

    def score(told, few, made, where, share, is_classic, choice, seed):
        judged.append(where)
        good = choice["rate"] == 3e-3 and (choice["shift"] == 0.15 if is_classic else True)
        return good + 0.1 * (share == 0.25) + 0.2 * (made == "colour,translation,cutout"), 1

    monkeypatch.setattr(augmentation, "_score", score)
    monkeypatch.setattr(augmentation, "samples", lambda told, few, policy, seed: policy)
    chosen = augmentation.measure(study, "choice, 10")["chosen"]
    assert chosen == {"rate": 3e-3, "shift": 0.15, "policy": "colour,translation,cutout", "share": 0.25}
    assert all(rows_of(part) == rows_of(task.validation) for part in judged)


def test_moves_happen_in_training_alone():
    network = few_labels.classifier((8, 8, 1), 10, flips=True, shift=0.1)
    x = np.random.default_rng(0).uniform(-1, 1, (4, 8, 8, 1)).astype(np.float32)
    np.testing.assert_array_equal(network(x, training=False), network(x, training=False))
    assert not np.array_equal(network.layers[0](x, training=True), x)


def test_the_gan_of_few_pictures_augments_what_its_discriminator_sees(task):
    few = few_labels.drawn(task.pool, 1, 0)
    made = few_pictures.generated(
        few, few_pictures.Settings("translation", 1e-3), 2, 20, 0, base_channels=4, latent_dim=4
    )
    assert images(made).shape == (20, 8, 8, 1)
    np.testing.assert_array_equal(made.columns["label"], np.arange(20) % 10)
    with pytest.raises(UserError, match=r"model.policy"):
        few_pictures.FewPicturesGAN(columns=few.specs, policy="rotation", base_channels=4, latent_dim=4)


def test_the_table_shows_means_and_deviations_and_the_gains_are_those_of_each_seed():
    result = stored.new("augmentation", "digits", augmentation.protocol("digits", 1.0), [0, 1])
    for seed, (plain, classic, samples) in enumerate(((0.5, 0.7, 0.4), (0.6, 0.8, 0.7))):
        row = dict(zip(augmentation.ROWS, (plain, classic, samples, 0.5, 0.1), strict=True))
        result["cells"][f"10, seed {seed}"] = {"accuracy": row}
    lines = augmentation.table(result).splitlines()
    assert lines[2] == "| labels alone | 55.0 ± 7.1 | not run |"
    assert "classic 20.0 ± 0.0, samples 0.0 ± 14.1, classic and samples -5.0 ± 7.1; most: classic." in (
        augmentation.findings(result)
    )
