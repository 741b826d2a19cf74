import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from onnx import TensorProto

import serving
from serving import Generator
from zoo.bundle import MANIFEST, METADATA_KEY, ONNX, seal
from zoo.noise import fill
from zoo.spec import MapSpec, TensorSpec

# --- opening -----------------------------------------------------------------------------------------------------


def test_opens_a_bundle_and_a_lone_file(bundle_path):
    bundle, alone = Generator(bundle_path), Generator(bundle_path / ONNX)
    assert bundle.manifest.model == alone.manifest.model == "tiny"
    assert bundle.spec == alone.spec
    assert bundle.manifest.files
    assert not alone.manifest.files
    np.testing.assert_array_equal(bundle.sample(3), alone.sample(3))


def test_moved_bundle_opens(bundle_path, tmp_path, monkeypatch):
    bundle_path.rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path / "moved")
    assert Generator(".").sample().shape == (1, 4, 4, 3)


def test_missing_path(refused, tmp_path):
    with refused("nowhere", "does not exist"):
        Generator(tmp_path / "nowhere")


def test_directory_that_is_no_bundle(refused, tmp_path):
    with refused("not a bundle", MANIFEST):
        Generator(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n" + bytes(100), b"{}", os.urandom(2000)])
def test_foreign_file(refused, tmp_path, content):
    (tmp_path / "model.onnx").write_bytes(content)
    with refused("model.onnx", "ONNX"):
        Generator(tmp_path / "model.onnx")


@pytest.mark.skipif(not os.path.exists(os.devnull), reason="needs a device file")
def test_device_file(refused):
    with refused("no file"):
        Generator(os.devnull)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(refused, bundle_path):
    (bundle_path / ONNX).chmod(0)
    with refused("cannot read"):
        Generator(bundle_path)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
def test_truncated_lone_file(refused, bundle_path, tmp_path, keep):
    data = (bundle_path / ONNX).read_bytes()
    (tmp_path / "cut.onnx").write_bytes(data[: int(len(data) * keep)])
    with refused("cut.onnx"):
        Generator(tmp_path / "cut.onnx")


def test_truncated_and_flipped_bundle(refused, bundle_path):
    data = (bundle_path / ONNX).read_bytes()
    for bad in (data[:-1], data[:100] + bytes([data[100] ^ 1]) + data[101:]):
        (bundle_path / ONNX).write_bytes(bad)
        with refused("corrupt", "SHA-256"):
            Generator(bundle_path)


def test_onnx_of_another_project(refused, factory, tmp_path):
    model = factory.model()
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "other.onnx")
    with refused("not one of genzoo's", METADATA_KEY):
        Generator(tmp_path / "other.onnx")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[]", "object"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"schema_version": 4}', "newer genzoo"),
        ('{"schema_version": 2}', "export the run again"),
    ],
)
def test_bad_embedded_manifest(refused, factory, tmp_path, text, word):
    model = factory.model()
    model.metadata_props[0].value = text
    onnx.save(model, tmp_path / "bad.onnx")
    with refused("bad.onnx", word):
        Generator(tmp_path / "bad.onnx")


def test_newer_schema(refused, bundle_path, edit_manifest):
    with refused("schema 99", "install the wheel of a newer genzoo"):
        Generator(edit_manifest(bundle_path, lambda manifest: manifest.update(schema_version=99)))


@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "absolute"])
def test_external_weights_are_never_read(refused, factory, tmp_path, monkeypatch, location):
    """Neither beside the file nor in the working directory, where onnxruntime looks for them by itself."""
    monkeypatch.chdir(tmp_path)
    model = factory.model()
    kernel = next(weight for weight in model.graph.initializer if weight.name == "kernel")
    for place in (tmp_path, tmp_path.parent):
        (place / "weights.bin").write_bytes(kernel.raw_data)
    kernel.ClearField("raw_data")
    kernel.data_location = TensorProto.EXTERNAL
    value = str(tmp_path / "weights.bin") if location == "absolute" else location
    kernel.external_data.add(key="location", value=value)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with refused("model.onnx", "weights lie in another file", "onnx.save", "external_data=False"):
        Generator(tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("where", "change"),
    [
        ("inputs", {"name": "latent"}),
        ("inputs", {"shape": [9]}),
        ("inputs", {"role": "condition", "kind": "attributes"}),
        ("outputs", {"name": "picture"}),
        ("outputs", {"shape": [4, 4, 1]}),
        ("outputs", {"kind": "class", "shape": []}),
    ],
)
def test_tensors_that_differ_from_the_manifest(refused, factory, tmp_path, where, change):
    model = factory.model()
    manifest = json.loads(model.metadata_props[0].value)
    manifest["maps"]["generate"][where][0].update(change)
    model.metadata_props[0].value = json.dumps(manifest)
    (tmp_path / "other.onnx").write_bytes(seal(model.SerializeToString()))
    with refused("other.onnx", where, "are not those of its manifest"):
        Generator(tmp_path / "other.onnx")


def test_fixed_batch_axis(refused, factory, tmp_path):
    model = factory.model()
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, tmp_path / "fixed.onnx")
    with refused("batch axis", "fixed"):
        Generator(tmp_path / "fixed.onnx")


def test_condition_named_like_an_argument(refused, factory):
    spec = MapSpec(
        (TensorSpec("z", (8,), "normal"), TensorSpec("seed", (), "condition")), (TensorSpec("x", (2,), "output"),)
    )
    with refused("condition", "seed"):
        Generator(factory(spec))


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2", 10**9])
def test_bad_threads(refused, bundle_path, threads):
    for opened in (Generator, serving.load):
        with refused("threads"):
            opened(bundle_path, threads=threads)


def test_import_beside_a_foreign_module_called_export(tmp_path):
    """Serving needs no file of a name that somebody else's script may have."""
    (tmp_path / "export.py").write_text("raise SystemExit('the wrong file was imported')")
    path = os.pathsep.join(["", os.getcwd()])
    result = subprocess.run(
        [sys.executable, "-c", "import serving; print(serving.Generator.__name__, serving.load.__name__)"],
        **{"capture_output": True, "text": True, "cwd": tmp_path, "env": os.environ | {"PYTHONPATH": path}},
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "Generator load\n", "")


def test_import_is_light():
    """Neither the training stack nor what a caller may never need is loaded by the import."""
    heavy = ["tensorflow", "keras", "jax", "torch", "PIL", "onnxruntime", "onnx", "tqdm", "scipy", "train", "zoo.model"]
    code = f"import sys, serving; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


# --- sampling ----------------------------------------------------------------------------------------------------


def test_sample_is_what_the_network_makes(factory):
    """Against the network in numpy, and bytes against floats."""
    model = factory.model()
    weights = {weight.name: onnx.numpy_helper.to_array(weight) for weight in model.graph.initializer}
    generator = Generator(factory())
    z = fill(generator.spec, 5, 3)["z"]
    floats = generator.sample(5, 3, dtype="float32")
    assert floats.dtype == np.float32
    assert floats.shape == (5, 4, 4, 3)
    np.testing.assert_allclose(floats, np.tanh(z @ weights["kernel"] + weights["bias"]).reshape(5, 4, 4, 3), atol=1e-6)
    pixels = generator.sample(5, 3)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, np.rint((floats + 1) * 127.5))


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64])
def test_integers_of_every_type_mean_the_same(conditional, kind):
    """Small ones must not overflow in the sums of positions, nor unsigned 64-bit ones become floats."""
    generator, far = Generator(conditional), int(np.iinfo(kind).max) - 3 if kind in (np.int8, np.uint8) else 250
    expected = generator.sample(100, 5, start=far)
    np.testing.assert_array_equal(generator.sample(kind(100), kind(5), start=kind(far)), expected)
    chunks = list(generator.stream(kind(100), kind(5), start=kind(far), batch_size=kind(64)))
    assert [len(chunk) for chunk in chunks] == [64, 36]
    np.testing.assert_array_equal(np.concatenate(chunks), expected)
    z = fill(generator.spec, 3, 5)["z"]
    np.testing.assert_array_equal(generator.sample(kind(3), noise=z), generator.sample(3, 5))
    walk = generator.interpolate(kind(3), kind(5), kind(6))
    np.testing.assert_array_equal(walk, generator.interpolate(3, 5, 6))
    made = serving.load(conditional)["generate"](kind(3), kind(5), kind(far))
    np.testing.assert_array_equal(made["image"], generator.sample(3, 5, start=far, dtype="float32"))


def test_a_batch_size_whose_multiples_overflow_its_type(bundle_path):
    generator = Generator(bundle_path)
    chunks = list(generator.stream(600, batch_size=np.uint8(255)))
    assert [len(chunk) for chunk in chunks] == [255, 255, 90]
    np.testing.assert_array_equal(np.concatenate(chunks), generator.sample(600))


def test_the_last_sample_of_the_last_seed(conditional):
    generator, last = Generator(conditional), 2**63 - 1
    same = generator.sample(2, np.uint64(last), start=np.uint64(last))
    np.testing.assert_array_equal(same, generator.sample(2, last, start=last))


def test_seeds_differ_and_repeat(bundle_path):
    generator = Generator(bundle_path)
    assert not np.array_equal(generator.sample(2, 0), generator.sample(2, 1))
    np.testing.assert_array_equal(generator.sample(2, 2**63 - 1), generator.sample(2, 2**63 - 1))
    np.testing.assert_array_equal(generator.sample(), generator.sample(1, 0))


# Operators whose last bits, run as they come, depend on the batch size or on a row's place in memory.
TOUCHY = ["Elu", "Softplus", "Log", "Sin", "ReduceMean", "matrix", "dense"]


@pytest.mark.parametrize("size", [3, 17])
@pytest.mark.parametrize("op", TOUCHY)
def test_bits_do_not_depend_on_the_batch(factory, vector_spec, make_node, op, size):
    spec = vector_spec(size, 1 if op == "ReduceMean" else size)
    if op == "dense":
        generator = Generator(factory(spec))
    elif op == "ReduceMean":
        generator = Generator(factory(spec, [make_node(op, "z axes", "x")], axes=np.array([1])))
    elif op == "matrix":
        # a matrix that onnxruntime cannot pack beforehand, since it is computed
        nodes = [
            make_node("ReduceSum", "z", "sum", keepdims=0),
            make_node("Mul", "sum zero", "nothing"),
            make_node("Add", "kernel nothing", "computed"),
            make_node("MatMul", "z computed", "x"),
        ]
        kernel = np.random.default_rng(1).normal(size=(size, size)).astype(np.float32)
        generator = Generator(factory(spec, nodes, kernel=kernel, zero=np.array(0, np.float32)))
    else:
        nodes = [make_node("Abs", "z", "positive"), make_node(op, "positive" if op == "Log" else "z", "x")]
        generator = Generator(factory(spec, nodes))
    reference = generator.sample(67, 5, dtype="float32")
    for batch_size in (1, 2, 3, 5, 64, 67):
        chunks = generator.stream(67, 5, batch_size=batch_size, dtype="float32")
        np.testing.assert_array_equal(np.concatenate(list(chunks)), reference)
    for start in (0, 1, 2, 5, 66):
        one = generator.sample(1, 5, start=start, dtype="float32")
        np.testing.assert_array_equal(one[0], reference[start])
    own = generator.sample(noise=fill(spec, 67, 5), dtype="float32")
    np.testing.assert_array_equal(own, reference)


def test_stream_chunks_and_checks_at_once(refused, bundle_path):
    generator = Generator(bundle_path)
    chunks = list(generator.stream(10, 1, batch_size=4, start=3))
    assert [len(chunk) for chunk in chunks] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate(chunks), generator.sample(13, 1)[3:])
    for bad in ({"count": 0}, {"batch_size": 0}, {"seed": -1}, {"start": -1}, {"dtype": "int8"}, {"label": 1}):
        with refused(next(iter(bad))):
            generator.stream(**{"count": 1, **bad})


def test_stream_is_lazy(bundle_path, conditional):
    for path, conditions in ((bundle_path, {}), (conditional, {"label": 3})):
        chunks = Generator(path).stream(10**12, **conditions)
        assert next(chunks).shape == (64, 4, 4, 3)


# more numbers than a process may address, and more than numpy's sizes reach
@pytest.mark.parametrize("count", [10**14, 2**62, 2**63 - 1, 10**30])
def test_more_samples_than_memory_are_refused_before_the_first(refused, several, conditional, monkeypatch, count):
    generator, conditioned, maps = Generator(several), Generator(conditional), serving.load(several)
    monkeypatch.setattr("zoo.runtime.OpenMap.run", None)
    photo = np.zeros((2, 2, 3), np.float32)
    for attempt in (
        lambda: generator.sample(count),
        lambda: conditioned.sample(count, label=3),
        lambda: maps["generate"](count),
        lambda: generator.interpolate(0, 1, count),
        lambda: next(generator.stream(count, batch_size=count)),
    ):
        with refused("(too many samples for the memory|use an integer from)"):
            attempt()
    monkeypatch.undo()
    with refused("(too many samples for the memory|use an integer from)"):
        maps["encode"](count, photo=photo)


def test_concurrent_calls(bundle_path):
    generator = Generator(bundle_path)
    with ThreadPoolExecutor(8) as pool:
        several = list(pool.map(lambda seed: generator.sample(9, seed), range(32)))
    for seed, images in enumerate(several):
        np.testing.assert_array_equal(images, generator.sample(9, seed))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"count": 0}, ["count"]),
        ({"count": -3}, ["count"]),
        ({"count": 2.0}, ["count"]),
        ({"count": True}, ["count"]),
        ({"seed": -1}, ["seed"]),
        ({"seed": 2**63}, ["seed"]),
        ({"seed": "0"}, ["seed"]),
        ({"start": -1}, ["start"]),
        ({"dtype": "float64"}, ["dtype", "float32"]),
        ({"labl": 1}, ["unknown condition", "labl"]),
        ({"noise": np.zeros((1, 8)), "seed": 1}, ["either a seed or the noise"]),
        ({"noise": np.zeros((2, 8)), "count": 3}, ["count 3", "batch of 2"]),
        ({"noise": np.zeros((2, 7))}, ["z", "needs shape", "7"]),
        ({"noise": np.zeros((0, 8))}, ["batch axis"]),
        ({"noise": 0.0}, ["batch axis"]),
        ({"noise": np.full((1, 8), np.nan)}, ["z", "NaN"]),
        ({"noise": np.full((1, 8), np.inf)}, ["z", "infinity"]),
        ({"noise": np.full((1, 8), 1e39)}, ["z", "too large"]),
        ({"noise": np.zeros((1, 8), complex)}, ["z", "real"]),
        ({"noise": np.zeros((1, 8), bool)}, ["z", "real"]),
        ({"noise": np.ma.array(np.zeros((1, 8)), mask=[[1, 0] * 4])}, ["z", "masked"]),
        ({"noise": [["a"] * 8]}, ["z", "real"]),
        ({"noise": [[1.0], [1.0, 2.0]]}, ["z", "differ in length"]),
        ({"noise": {"z": np.zeros((1, 8)), "w": 0}}, ["unknown noise input", "w"]),
        ({"noise": {}}, ["missing noise input", "z"]),
    ],
)
def test_bad_arguments(refused, bundle_path, arguments, words):
    with refused(*words):
        Generator(bundle_path).sample(**arguments)


def test_noise_of_every_sensible_kind(bundle_path):
    generator = Generator(bundle_path)
    z = fill(generator.spec, 3, 0)["z"]
    expected = generator.sample(3)
    for noise in (z, {"z": z}, z.astype(np.float64), z.tolist(), np.asfortranarray(z), z[::-1][::-1]):
        np.testing.assert_array_equal(generator.sample(noise=noise), expected)
    assert generator.sample(noise=np.zeros((2, 8), int)).shape == (2, 4, 4, 3)


def test_uniform_noise_keeps_its_range(refused, factory, vector_spec):
    generator = Generator(factory(vector_spec(4, role="uniform", low=0.0, high=0.9)))
    assert generator.sample(noise=np.full((1, 4), 0.9), dtype="float32").shape == (1, 4)
    for value in (-0.01, 0.91):
        with refused("z", r"\[0.0, 0.9\]"):
            generator.sample(noise=np.full((1, 4), value), dtype="float32")
    with refused("z", "real numbers", "int64"):
        generator.sample(noise=np.zeros((1, 4), int), dtype="float32")


def test_several_noise_inputs(refused, factory):
    spec = MapSpec(
        (TensorSpec("z", (8,), "normal"), TensorSpec("shift", (1,), "normal")), (TensorSpec("x", (2,), "output"),)
    )
    generator = Generator(factory(spec))
    noise = fill(spec, 5, 2)
    np.testing.assert_array_equal(
        generator.sample(noise=noise, dtype="float32"), generator.sample(5, 2, dtype="float32")
    )
    with refused("dict", "z, shift"):
        generator.sample(noise=noise["z"], dtype="float32")
    with refused("missing noise input", "shift"):
        generator.sample(noise={"z": noise["z"]}, dtype="float32")
    with refused("batch axis", "same size"):
        generator.sample(noise={**noise, "shift": noise["shift"][:2]}, dtype="float32")


def test_vectors_are_no_pictures(refused, factory, vector_spec):
    generator = Generator(factory(vector_spec(3)))
    assert generator.sample(2, dtype="float32").shape == (2, 3)
    with refused("x of kind latent is no picture", "float32"):
        generator.sample(2)


def test_nan_is_never_a_picture(refused, factory, make_node):
    nodes = [
        make_node("Sqrt", "z", "root"),
        make_node("Concat", "root " * 6, "six", axis=1),
        make_node("Reshape", "six shape", "image"),
    ]
    generator = Generator(factory(nodes=nodes, shape=np.array([-1, 4, 4, 3])))
    assert generator.sample(noise=np.ones((1, 8))).min() == 255
    for dtype in ("uint8", "float32"):
        with refused("NaN"):
            generator.sample(noise=-np.ones((1, 8)), dtype=dtype)


def test_graph_that_fails_to_run(refused, factory, make_node, capfd):
    generator = Generator(factory(nodes=[make_node("Reshape", "z shape", "image")], shape=np.array([-1, 4, 4, 3])))
    with refused("failed to run"):
        generator.sample(1)
    assert capfd.readouterr().err == ""


def test_graph_that_changes_its_batch(refused, factory, make_node):
    nodes = [make_node("Concat", "z " * 6, "wide", axis=1), make_node("Reshape", "wide shape", "one")]
    nodes.append(make_node("Concat", "one one", "image", axis=0))
    generator = Generator(factory(nodes=nodes, shape=np.array([-1, 4, 4, 3])))
    with refused("made image of shape", "manifest promises"):
        generator.sample(1)


def test_translation_without_noise(refused, factory, translate_spec):
    """A generator from picture to picture: no noise, the condition is all."""
    generator = Generator(factory(translate_spec))
    photos = np.random.default_rng(0).uniform(-1, 1, (5, 2, 2, 3))
    images = generator.sample(5, photo=photos)
    np.testing.assert_array_equal(images[:2], generator.sample(2, photo=photos[:2]))
    with refused("nothing to interpolate"):
        generator.interpolate(0, 1, 5, photo=photos)


# --- truncation --------------------------------------------------------------------------------------------------


def test_truncated_samples_are_those_of_truncated_noise(bundle_path, refused):
    generator = Generator(bundle_path)
    noise = fill(generator.spec, 70, 5, truncation=0.5)
    assert np.abs(noise["z"]).max() <= 0.5
    made = generator.sample(70, 5, truncation=0.5)
    np.testing.assert_array_equal(made, generator.sample(noise=noise))
    chunks = list(generator.stream(70, 5, batch_size=9, truncation=0.5))
    np.testing.assert_array_equal(made, np.concatenate(chunks))
    np.testing.assert_array_equal(
        generator.sample(1, 5, start=3, truncation=0.5)[0], generator.sample(4, 5, truncation=0.5)[3]
    )
    np.testing.assert_array_equal(generator.sample(3, 5, truncation=None), generator.sample(3, 5))
    assert (made != generator.sample(70, 5)).any()
    with refused("either truncation or the noise"):
        generator.sample(noise=noise, truncation=0.5)
    with refused("truncation 0: use a number above 0"):
        generator.stream(1, truncation=0)  # at once, before the first chunk


def test_truncation_needs_normal_noise(factory, vector_spec, refused):
    generator = Generator(factory(vector_spec(3, role="uniform", low=-1.0, high=1.0)))
    with refused("truncation is for normal noise"):
        generator.sample(dtype="float32", truncation=1.0)
