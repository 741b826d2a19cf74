"""Pictures of any size: padded and cropped back, and tiles that make what the whole makes."""

import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import helper

from serving import Generator, Sides, load
from zoo import images
from zoo.bundle import MANIFEST, MAP_KEY, METADATA_KEY, seal
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

REACH = 2


def free_spec(ratio=1, multiple=2, least=4, reach=REACH):
    """Return a map from pictures of any size to pictures `ratio` times as large."""
    photo = TensorSpec("photo", (8, 8, 3), "condition", "image", multiple=multiple, least=least)
    shape = (8 * ratio, 8 * ratio, 3)
    return MapSpec((photo,), (TensorSpec("made", shape, "output", "image", follows="photo", reach=reach),))


@pytest.fixture
def blurring(factory, make_node):
    """Return a function that writes a bundle of a 5 x 5 convolution, which pads with zeros, enlarged `ratio` times."""

    def write(ratio=1, **options):
        kernel = np.random.default_rng(1).normal(size=(3 * ratio**2, 3, 5, 5)).astype(np.float32) / 20
        nodes = [
            make_node("Transpose", "photo", "by_channel", perm=[0, 3, 1, 2]),
            make_node("Conv", "by_channel kernel", "summed", pads=[2, 2, 2, 2]),
            make_node("Tanh", "summed", "squashed"),
            make_node("DepthToSpace", "squashed", "large", blocksize=ratio, mode="CRD"),
            make_node("Transpose", "large", "made", perm=[0, 2, 3, 1]),
        ]
        return factory(free_spec(ratio, **options), nodes, kernel=kernel)

    return write


def photo(*sides, rows=1):
    return np.random.default_rng(2).uniform(-1, 1, (rows, *sides, 3)).astype(np.float32)


@pytest.mark.parametrize("ratio", [1, 3])
def test_legal_sides_run_as_they_are(blurring, ratio):
    bundle = load(blurring(ratio))
    for sides in ((8, 8), (4, 10), (22, 6)):
        made = bundle["generate"](photo=photo(*sides, rows=3))["made"]
        assert made.shape == (3, ratio * sides[0], ratio * sides[1], 3)
        # a picture does not look at its neighbours in the batch
        alone = bundle["generate"](photo=photo(*sides, rows=3)[1])["made"]
        np.testing.assert_array_equal(alone[0], made[1])


def test_other_sides_are_mirrored_and_cropped_back(blurring):
    path = blurring(2)
    given = photo(7, 3)  # becomes 8 x 4
    made = load(path)["generate"](photo=given)["made"]
    assert made.shape == (1, 14, 6, 3)
    mirrored = np.concatenate([given, given[:, -1:]], axis=1)
    mirrored = np.concatenate([mirrored, mirrored[:, :, -1:]], axis=2)
    np.testing.assert_array_equal(load(path)["generate"](photo=mirrored)["made"][:, :14, :6], made)


def test_other_sides_are_refused_where_that_is_asked_for(blurring):
    strict = load(blurring(), sides=Sides(pad=False))["generate"]
    with pytest.raises(UserError, match=r"photo: sides of 9 x 3 .* multiples of 2 from 4 pixels; the next are 10 x 4$"):
        strict(photo=photo(9, 3))
    assert strict(photo=photo(10, 4))["made"].shape == (1, 10, 4, 3)


@pytest.mark.parametrize(
    "values", [np.zeros((1, 8, 8, 1)), np.zeros((8, 8)), np.zeros((1, 0, 8, 3)), np.zeros((0, 8, 8, 3))]
)
def test_what_is_no_picture_is_refused(blurring, values):
    with pytest.raises(UserError, match="photo: needs shape"):
        load(blurring())["generate"](photo=values.astype(np.float32))


@pytest.mark.parametrize("ratio", [1, 2])
@pytest.mark.parametrize("sides", [(40, 30), (33, 17), (12, 64), (5, 5)])
@pytest.mark.parametrize("tile", [4, 10, 16])
def test_tiles_make_what_the_whole_makes(blurring, ratio, sides, tile):
    path = blurring(ratio)
    whole = load(path)["generate"](photo=photo(*sides, rows=2))["made"]
    tiled = load(path, sides=Sides(tile=tile))["generate"](photo=photo(*sides, rows=2))["made"]
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=2e-6)
    generator = Generator(path, sides=Sides(tile=tile, overlap=REACH + 3))
    np.testing.assert_allclose(generator.sample(photo=photo(*sides, rows=2), dtype="float32"), whole, rtol=0, atol=2e-6)


def test_a_margin_below_the_reach_would_show(blurring):
    """The test above can fail: where the file says less than the network sees, tiles differ from the whole."""
    path = blurring(reach=1, multiple=1)
    whole = load(path)["generate"](photo=photo(40, 30))["made"]
    tiled = load(path, sides=Sides(tile=10, overlap=1))["generate"](photo=photo(40, 30))["made"]
    assert np.abs(tiled - whole).max() > 1e-2


def test_a_network_without_a_reach_is_blended(blurring):
    """Within the margins both neighbours count, so that no seam is harder than the difference of their answers."""
    path = blurring(reach=0)
    whole = load(path)["generate"](photo=photo(40, 30))["made"]
    tiled = load(path, sides=Sides(tile=12, overlap=6))["generate"](photo=photo(40, 30))["made"]
    # far from the edges of what tiles read, the network makes the same; at them its zeros count little
    assert np.abs(tiled - whole).mean() < 0.02
    constant = load(path, sides=Sides(tile=12, overlap=0))["generate"](photo=photo(40, 30))["made"]
    assert np.abs(tiled - whole).mean() < np.abs(constant - whole).mean() / 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tile": -1}, "tile -1: use an integer"),
        ({"tile": 8, "overlap": -1}, "overlap -1: use an integer"),
        ({"overlap": 4}, "overlap 4: tiles overlap; give tile"),
        ({"tile": 8, "overlap": 1}, "overlap 1: the network sees 2 pixels to each side; use at least that"),
    ],
)
def test_bad_tiles(blurring, options, said):
    with pytest.raises(UserError, match=said):
        load(blurring(), sides=Sides(**options))


def test_maps_of_fixed_size_have_no_tiles(factory):
    with pytest.raises(UserError, match="tile: only maps from one picture of any size"):
        Generator(factory(), sides=Sides(tile=8))
    assert "generate" in load(factory(), sides=Sides(tile=8))  # other maps of the bundle may be free


def test_a_fixed_graph_under_a_free_spec_is_refused(factory, make_node):
    fixed = [("photo", (8, 8, 3), "condition"), ("made", (8, 8, 3), "output")]
    photo, made = (TensorSpec(*tensor, "image") for tensor in fixed)
    path = factory(MapSpec((photo,), (made,)), [make_node("Tanh", "photo", "made")])
    free = factory(free_spec(), [make_node("Tanh", "photo", "made")])
    model = onnx.load(path / "model.onnx")
    promised = json.loads((free / MANIFEST).read_text()) | {"files": {}}
    helper.set_model_props(model, {METADATA_KEY: json.dumps(promised), MAP_KEY: "generate"})
    (path / "model.onnx").write_bytes(seal(model.SerializeToString()))
    with pytest.raises(UserError, match="are not those of its manifest"):
        load(path / "model.onnx")


def test_the_command_keeps_the_size_of_a_picture(blurring, tmp_path):
    (tmp_path / "photo.png").write_bytes(images.encode_png(images.to_uint8(photo(21, 34)[0])))

    def sampled(name, *flags):
        arguments = [f"--bundle={blurring(2)}", f"--condition=photo={tmp_path / 'photo.png'}", *flags]
        command = [sys.executable, "-m", "serving.sample", *arguments, f"--output={tmp_path / name}"]
        subprocess.run(command, check=True, capture_output=True)
        return tmp_path / name

    whole = images.decode(sampled("whole.png"), None, 3)
    assert whole.shape == (42, 68, 3)
    tiled = images.decode(sampled("tiled.png", "--tile=10"), None, 3)
    assert np.abs(tiled.astype(int) - whole).max() <= 1
    assert np.load(sampled("made.npy")).shape == (1, 42, 68, 3)
