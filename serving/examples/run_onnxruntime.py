"""Run an ONNX file of a bundle with onnxruntime and numpy alone: noise from a seed, or inputs from .npy files.

    python run_onnxruntime.py model.onnx made --seed=0 --count=16
    python run_onnxruntime.py model.onnx made z=z.npy label=label.npy

Every output NAME goes to made/NAME.npy; pictures go to made/NAME.png too, in a column. The file says what its tensors
are: its metadata hold the manifest of the bundle. The seed makes the noise that genzoo makes of it.
"""

import argparse
import json
import math
import struct
import zlib
from pathlib import Path
from typing import Any

try:
    import numpy as np
except ModuleNotFoundError:
    raise SystemExit("error: needs numpy: pip install onnxruntime, which brings it") from None


def noise(shape: list[int], role: str, low: float, high: float, count: int, seed: int, stream: int) -> np.ndarray:
    """Return the noise (count, *shape) of the tensor that is the `stream`-th noise of the file, counted from 0.

    Philox makes 64-bit words, for each sample its own. Uniform numbers are their top 24 bits; normal ones come in
    pairs from Box and Muller (1958).
    """
    size = math.prod(shape)
    pairs = (size + 1) // 2
    blocks = (2 * pairs + 3) // 4  # of four words
    words = np.random.Philox(key=[seed, stream], counter=[0, 0, 0, 0]).random_raw(count * blocks * 4).reshape(count, -1)
    if role == "uniform":
        values = low + (high - low) * (words[:, :size] >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)
        values = np.clip(values, low, np.nextafter(np.float32(high), np.float32(-np.inf)))
    else:
        radius = np.sqrt(-2 * np.log(((words[:, :pairs] >> np.uint64(11)) + 1.0) * 2.0**-53))
        angle = (2 * np.pi) * ((words[:, pairs : 2 * pairs] >> np.uint64(11)) * 2.0**-53)
        values = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)[:, :size]
    return values.astype(np.float32).reshape(count, *shape)


def inputs_of(tensors: list[dict[str, Any]], given: dict[str, np.ndarray], count: int, seed: int) -> dict[str, Any]:
    """Return an array for every input: what is given, else noise of the seed, else the classes in turn."""
    made, stream = dict(given), 0
    for name, values in given.items():
        kinds = {tensor["name"]: tensor["kind"] for tensor in tensors}
        if name not in kinds:
            raise SystemExit(f"error: unknown input {name}; known: {', '.join(kinds)}")
        wanted = "int32" if kinds[name] in ("class", "attributes") else "float32"
        if values.dtype != wanted:
            raise SystemExit(f"error: {name} is {values.dtype}: save it as {wanted}")
    for tensor in tensors:
        name, low, high = tensor["name"], tensor.get("low", -math.inf), tensor.get("high", math.inf)
        if tensor["role"] in ("normal", "uniform"):
            made.setdefault(name, noise(tensor["shape"], tensor["role"], low, high, count, seed, stream))
            stream += 1
        elif tensor["kind"] == "class" and math.isfinite(high - low):
            in_turn = int(low) + np.arange(count) % (int(high) - int(low) + 1)
            made.setdefault(name, in_turn.astype(np.int32))
        elif name not in made:
            raise SystemExit(f"error: give {name}=FILE.npy, an array (count, {', '.join(map(str, tensor['shape']))})")
    return made


def read(text: str) -> tuple[str, np.ndarray]:
    """Return the name and the array in a text like z=z.npy."""
    name, equals, file = text.partition("=")
    if not equals:
        raise SystemExit(f"error: {text} is not NAME=FILE.npy")
    try:
        return name, np.load(file)
    except (OSError, ValueError, EOFError) as error:
        raise SystemExit(f"error: cannot read {file}: {error}") from None


def png(pictures: np.ndarray) -> bytes:
    """Return a PNG of pictures (count, height, width, 1 or 3) in [-1, 1], one below the other."""
    _, _, width, channels = pictures.shape
    rows = np.clip(np.rint((pictures + 1) * 127.5), 0, 255).astype(np.uint8).reshape(-1, width * channels)
    raw = np.pad(rows, [(0, 0), (1, 0)]).tobytes()  # each row begins with its filter: none
    header = struct.pack(">IIBBBBB", width, len(rows), 8, 2 if channels == 3 else 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def main() -> None:
    """Run the file once and write what it makes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="an ONNX file of a bundle")
    parser.add_argument("folder", type=Path, help="where the outputs go")
    parser.add_argument("given", nargs="*", metavar="NAME=FILE.npy", help="inputs; a batch of arrays each")
    parser.add_argument("--seed", type=int, default=0, help="of the noise that is not given")
    parser.add_argument("--count", type=int, default=16, help="how many samples, if no input is given")
    arguments = parser.parse_args()
    for name, least in (("seed", 0), ("count", 1)):
        if not least <= getattr(arguments, name) < 2**63:
            raise SystemExit(f"error: --{name}={getattr(arguments, name)}: use a whole number from {least} to 2^63 - 1")
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise SystemExit("error: needs onnxruntime: pip install onnxruntime") from None

    try:
        session = onnxruntime.InferenceSession(arguments.model, providers=["CPUExecutionProvider"])
        told = session.get_modelmeta().custom_metadata_map
        if "genzoo" not in told:
            raise SystemExit(f"error: {arguments.model} is no file of a bundle: its metadata hold no manifest")
        spec = json.loads(told["genzoo"])["maps"][told["genzoo_map"]]
        given = dict(map(read, arguments.given))
        count = len(np.atleast_1d(next(iter(given.values())))) if given else arguments.count
        made = session.run(None, inputs_of(spec["inputs"], given, count, arguments.seed))
    except Exception as error:  # those of onnxruntime have no common base
        raise SystemExit(f"error: {' '.join(str(error).split())}") from None

    arguments.folder.mkdir(exist_ok=True)
    for tensor, values in zip(session.get_outputs(), made, strict=True):
        np.save(arguments.folder / f"{tensor.name}.npy", values)
        kind = next(output["kind"] for output in spec["outputs"] if output["name"] == tensor.name)
        if kind == "image" and values.shape[-1] in (1, 3):
            (arguments.folder / f"{tensor.name}.png").write_bytes(png(values))


if __name__ == "__main__":
    main()
