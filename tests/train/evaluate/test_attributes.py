"""Edits of attributes: figures by hand with a reader whose answers are known, true counterfactuals, a whole call."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from absl import flags
from PIL import Image
from shared import program, tiny_config, trained

from train import config, data
from zoo.shared.errors import UserError
from zoo.spec import TensorSpec

attributes = program("train.evaluate.attributes")

NAMES = ("black", "blond", "hat")
SPEC = TensorSpec("attributes", (3,), "condition", "attributes", names=NAMES, exclusive=(NAMES[:2],))
IMAGE = TensorSpec("image", (1, 3, 1), "condition", "image")
# sees an attribute where its pixel is bright
READER = SimpleNamespace(predict=lambda x, **_: x[:, 0, :, 0].astype(float) - 127.5)


def pictures(*vectors):
    """Return pictures of three pixels, each as bright as an attribute says: 1 to 0.6, 0 to -0.6."""
    return (1.2 * np.array(vectors, np.float32) - 0.6)[:, None, :, None]


def test_every_attribute_is_changed_once_and_one_of_a_group_is_set():
    known = np.array([[1, 0, 0], [0, 1, 1]])
    edits = attributes.all_edits(SPEC, pictures(*known), known)
    told = [*zip(edits.numbers.tolist(), edits.known.tolist(), edits.wanted.tolist(), strict=True)]
    assert told == [
        (0, [0, 1, 1], [1, 0, 1]),
        (1, [1, 0, 0], [0, 1, 0]),
        (2, [1, 0, 0], [1, 0, 1]),
        (2, [0, 1, 1], [0, 1, 0]),
    ]
    np.testing.assert_array_equal(edits.pictures, pictures(*edits.known))
    strip = attributes.all_edits(SPEC, pictures(*known), known, in_place=True)
    assert strip.wanted.tolist() == [[1, 0, 0], [1, 0, 1], [0, 1, 0], [0, 1, 1], [1, 0, 1], [0, 1, 0]]


def test_figures_by_hand():
    known = np.array([[1, 0, 0], [0, 1, 1]])
    edits = attributes.all_edits(SPEC, pictures(*known), known)
    # black is right and its hat lost; blond leaves black; a hat, right; the last edit does nothing
    made = pictures([1, 0, 0], [1, 1, 0], [1, 0, 1], [0, 1, 1])
    line = attributes.measure(READER, SPEC, IMAGE, edits, made, edits.pictures + 0.2)
    assert (line["count"], line["target"], line["untouched"]) == (4, 2 / 4, (0 + 1 + 1 + 1) / 4)
    assert line["edits"]["black"]["target"] == 1 and line["edits"]["black"]["untouched"] == 0
    assert line["edits"]["blond"]["target"] == 0 and line["edits"]["blond"]["untouched"] == 1
    assert line["edits"]["hat"]["target"] == 0.5
    assert line["cycle_l1"] == pytest.approx(0.2, abs=0.01)
    assert line["change_l1"] == pytest.approx((3 + 1 + 1 + 0) * 1.2 / 12, abs=0.01)
    idle = attributes.measure(READER, SPEC, IMAGE, edits, edits.pictures, edits.pictures)
    assert (idle["target"], idle["untouched"], idle["cycle_l1"], idle["change_l1"]) == (0, 1, 0, 0)


def test_a_single_group_leaves_nothing_untouched():
    one = TensorSpec("attributes", (2,), "condition", "attributes", names=NAMES[:2], exclusive=(NAMES[:2],))
    known = np.array([[1, 0]])
    image = TensorSpec("image", (1, 2, 1), "condition", "image")
    edits = attributes.all_edits(one, pictures(*known), known)
    line = attributes.measure(READER, one, image, edits, pictures([0, 1]), edits.pictures)
    assert line["target"] == 1
    assert "untouched" not in line


def test_errors_within_what_the_true_edit_changes_and_outside():
    before, truth = np.zeros((1, 1, 4, 2)), np.zeros((1, 1, 4, 2))
    truth[0, 0, 0, 1] = 1.0  # one channel of one pixel of four
    made = np.zeros((1, 1, 4, 2))
    made[0, 0, 0], made[0, 0, 3] = [0.5, 0.5], [0.3, 0.0]
    line = attributes.errors(before, made, truth)
    assert line == pytest.approx({"changed_pixels": 0.25, "l1_inside": 0.5, "l1_outside": 0.15 / 3})
    assert attributes.errors(before, before, truth)["l1_outside"] == 0
    assert "l1_inside" not in attributes.errors(before, made, before)


@pytest.fixture
def own(tmp_path, cache):
    """Pictures of one's own, of grey levels, and two true edits of them."""
    root = tmp_path / "own"
    for part in ("train", "test", "edits"):
        (root / part).mkdir(parents=True)
    for part in ("train", "test"):
        (root / part / "list.csv").write_text("file,black,blond,hat\na.png,1,0,1\nb.png,0,1,0\n")
        for level, name in ((10, "a"), (20, "b")):
            Image.new("L", (8, 8), level).save(root / part / f"{name}.png")
    for level, name in ((110, "a_blond"), (120, "b_hat")):
        Image.new("L", (8, 8), level).save(root / "edits" / f"{name}.png")
    (root / "edits" / "edits.csv").write_text("file,source,edit\na_blond.png,a.png,blond\nb_hat.png,b.png,hat\n")
    return root


def read(root, **options):
    section = config.source(f"attributes:{root}", exclusive="black,blond", **options)
    table, _ = data.load(section, "test")
    return attributes.counterfactuals(
        root / "edits" / "edits.csv", section, table.specs["attributes"], table.specs["image"]
    )


def test_true_counterfactuals_from_a_file(own):
    edits = read(own)
    assert edits.known.tolist() == [[1, 0, 1], [0, 1, 0]]
    assert edits.wanted.tolist() == [[0, 1, 1], [0, 1, 1]]
    assert edits.numbers.tolist() == [1, 2]
    levels = lambda x: np.rint((x[:, 0, 0, 0] + 1) * 127.5).tolist()  # noqa: E731
    assert (levels(edits.pictures), levels(edits.truth)) == ([10, 20], [110, 120])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,edit\na_blond.png,blond\n", "its columns must be file,source,edit"),
        ("file,source,edit\n", "its columns must be"),
        ("file,source,edit\na_blond.png,c.png,blond\n", "c.png is no picture of attributes:"),
        ("file,source,edit\na_blond.png,a.png,blonde\n", "did you mean 'blond'"),
        ("file,source,edit\nlost.png,a.png,blond\n", "cannot read a picture of --edits"),
    ],
)
def test_odd_files_of_counterfactuals_are_refused(own, text, said):
    (own / "edits" / "edits.csv").write_text(text)
    with pytest.raises(UserError) as refused:
        read(own)
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_a_classifier_learns_what_brightness_tells():
    known = np.random.default_rng(0).integers(0, 2, (64, 2)).astype(np.int32)
    x = np.full((64, 16, 16, 3), 30, np.uint8)
    x[:, :8] += (150 * known[:, 0, None, None, None]).astype(np.uint8)
    x[:, 8:, :, 0] += (200 * known[:, 1, None, None]).astype(np.uint8)
    model = attributes.fit(x, known, epochs=8, seed=0, batch_size=8)
    assert (attributes.read(model, x) == known).mean() > 0.95


@pytest.fixture
def call(monkeypatch, capsys):
    def run(*arguments):
        own = attributes.SOURCES._flagvalues
        own.unparse_flags()
        own(["attributes", *arguments])
        attributes.main()
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    if not flags.FLAGS.is_parsed():
        flags.FLAGS(["test"])
    return run


def test_a_run_is_judged_beside_doing_nothing(call, tmp_path, monkeypatch):
    workdir = tmp_path / "run"
    trained(tiny_config("stargan"), workdir)
    lines = call(f"--sources={workdir}", "--epochs=1", "--count=6", f"--picture={tmp_path}/edits.png")
    told = [line["protocol"]["source"] for line in lines]
    assert told[:2] == ["real pictures", "doing nothing"] and told[2]["step"] == 4
    assert set(lines[0]["attributes"]) == {"black_hair", "blond_hair", "glasses", "smile"}
    assert lines[1]["cycle_l1"] == lines[1]["change_l1"] == 0 < lines[2]["change_l1"]
    assert lines[2]["count"] == sum(line["count"] for line in lines[2]["edits"].values()) == 6 * 3
    with Image.open(tmp_path / "edits.png") as picture:
        assert picture.width > picture.height / 6 * 4
    shutil.rmtree(workdir / "checkpoints")
    with pytest.raises(UserError, match="holds no checkpoint|lacks"):
        call(f"--sources={workdir}")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--sources is missing"),
        (("--sources=gone",), "gone holds no run"),
        (("--sources=a", "--picture=b.jpg"), "end it in .png"),
    ],
)
def test_what_cannot_be_judged_is_refused(call, arguments, said):
    with pytest.raises(UserError, match=said):
        call(*arguments)
