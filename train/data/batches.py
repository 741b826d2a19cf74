"""Batches whose examples are a pure function of (seed, step): nothing to save, every position reachable at once."""

from __future__ import annotations

import functools
import mmap
from collections.abc import Container, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from train.data.source import Source, Table
from zoo import media
from zoo.shared.errors import UserError
from zoo.spec import TensorSpec

if TYPE_CHECKING:
    import tensorflow as tf

# Each use of random numbers has a stream of its own, so that no two ever share a number.
_ORDER, _NOISE, _HELD_OUT, _FLIP, _CROP = range(5)
# kinds of columns whose rows are cropped and mirrored
MOVING = ("image", "mask")
# A call from TensorFlow into Python costs a third of a millisecond, as much as several small batches: small ones are
# drawn up to 16 a call (measured: 64 pictures of 8 px take a third of the time), large ones one by one.
_MOST_A_CALL, _BYTES_A_CALL = 16, 2**20
# Rows that are read stay mapped, with their neighbours up to 2 MiB: in the end all of the cache. The system can take
# these pages back, but counts them as ours, and a process may be ended for what it holds. So they are let go of each
# time they have become so many bytes.
_MOST_MAPPED = 2**28
# of what tf.data draws ahead; by itself it may take half of the machine's memory
_MOST_AHEAD = 2**28


class Batches:
    """The endless stream of batches of one split: epoch after epoch, each in a fresh order, with nothing dropped."""

    def __init__(
        self,
        source: Source,
        batch_size: int,
        seed: int,
        section: Any = None,
        reads: Iterable[str] | None = None,
        begin: tuple[int, int] = (0, 0),
    ) -> None:
        """Take `batch_size` (all replicas together) rows of each table of `source` a step.

        `section` is the data section, whose options change pictures at random: `binarize`, `flip`, `crop`. Only the
        columns `reads` are handed over, None for all. `begin` is (step, rows): the first step that there is, and how
        many rows of each table the steps before it took, in batches of other sizes.
        """
        self.source = source
        self.batch_size = batch_size
        self.seed = seed
        self.section = section
        self.begin = begin
        known = [name for table in source for name in table.specs]
        self.reads = known if reads is None else [name for name in known if name in set(reads)]
        columns = (column for table in source for column in table.columns.values())
        self._large = [c for c in columns if isinstance(c, np.memmap) and c.nbytes > _MOST_MAPPED]
        self._mapped = _mapped_bytes()  # when they were let go of
        # Two for each table, since a batch may straddle two epochs.
        self._permutation = functools.lru_cache(maxsize=2 * len(source))(
            lambda table, epoch: _generator(seed, epoch, _ORDER, table).permutation(len(source[table]))
        )

    def indices(self, step: int, table: int = 0) -> np.ndarray:
        """Return the rows of a table in the global batch of `step`, int64 (batch_size,)."""
        first, rows = self.begin
        positions = np.arange(self.batch_size) + rows + (step - first) * self.batch_size
        epochs, offsets = np.divmod(positions, len(self.source[table]))
        chosen = np.empty_like(positions)
        for epoch in np.unique(epochs).tolist():
            here = epochs == epoch
            chosen[here] = self._permutation(table, epoch)[offsets[here]]
        return chosen

    def example(
        self, step: int, replica: int = 0, replicas: int = 1, held: Container[str] = ()
    ) -> dict[str, np.ndarray]:
        """Return the contiguous part of `replica` in the global batch of `step`, a stored array for each column.

        Each has batch_size // replicas rows. For the columns of table N that are `held` elsewhere there is what is
        drawn for them, see `OnDevice`: "N/rows", "N/corners", "N/mirrored", "N/thresholds". Raises `UserError` if the
        batch does not divide evenly.
        """
        share = self._share(replicas)
        part = slice(replica * share, (replica + 1) * share)
        made: dict[str, np.ndarray] = {}
        for number, table in enumerate(self.source):
            names = [name for name in table.specs if name in self.reads]
            here = [name for name in names if name not in held]
            chosen = self.indices(step, number)[part]
            moves = self._moves(table, step, number, part)
            made |= table.derive(self._moved(table, table.stored(here, chosen), moves), here)
            if len(here) < len(names):
                made |= {f"{number}/{key}": values for key, values in {"rows": chosen, **moves}.items()}
        if self._large and _mapped_bytes() > self._mapped + _MOST_MAPPED:
            for column in self._large:
                let_go(column)
            self._mapped = _mapped_bytes()
        return made

    def _moves(self, table: Table, step: int, number: int, part: slice) -> dict[str, np.ndarray]:
        """Return what the data section draws for the pictures of each example.

        "corners" (rows, 2): the upper left ones of windows; "mirrored" (rows,); "thresholds" (rows, height, width,
        channels): the bytes that those of "image" must exceed.
        """
        section = self.section
        moves: dict[str, np.ndarray] = {}
        if section is None or "crop" not in section:
            return moves

        def drawn(purpose: int, high: int, *shape: int) -> np.ndarray:
            # for the whole batch, so that the number of replicas makes no difference
            return _generator(self.seed, step, purpose, number).integers(high, size=(self.batch_size, *shape))[part]

        if section.crop:
            moves["corners"] = drawn(_CROP, section.crop + 1, 2)
        if section.flip:
            moves["mirrored"] = drawn(_FLIP, 2).astype(bool)
        pictures = table.columns.get("image")
        if section.binarize == "dynamic" and isinstance(pictures, np.ndarray):
            height, width, channels = pictures.shape[1:]
            shape = (self.batch_size, height - section.crop, width - section.crop, channels)
            moves["thresholds"] = _thresholds(self.seed, step, _NOISE, shape)[part]
        return moves

    def _moved(self, table: Table, rows: dict[str, np.ndarray], moves: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the rows with their pictures cropped, mirrored and binarised; those of one example move alike."""
        pictures = [name for name in rows if table.specs[name].kind in MOVING]
        if "corners" in moves:
            rows |= {name: _windows(rows[name], moves["corners"], self.section.crop) for name in pictures}
        if "mirrored" in moves:
            is_mirrored = moves["mirrored"][:, None, None, None]
            rows |= {name: np.where(is_mirrored, rows[name][:, :, ::-1], rows[name]) for name in pictures}
        if "thresholds" in moves and "image" in rows:
            rows["image"] = _binarized(rows["image"], moves["thresholds"])
        return rows

    def dataset(
        self,
        first_step: int,
        steps: int,
        local_replicas: int = 1,
        first_replica: int = 0,
        replicas: int = 1,
        held: Container[str] = (),
    ) -> tf.data.Dataset:
        """Return the batches of `steps` steps from `first_step` on, for each local replica in turn within each step.

        An element holds each column as models see it, b = batch_size // replicas rows of it; for those that are `held`
        elsewhere it has what is drawn, see `example`. The local replicas are `first_replica` and those after it. Raises
        `UserError` if the batch does not divide evenly.
        """
        import tensorflow as tf

        share = self._share(replicas)
        sample = {name: values[:1] for name, values in self.example(first_step, 0, replicas, held).items()}
        specs = {name: spec for table in self.source for name, spec in table.specs.items()}

        def draw(positions: np.ndarray) -> list[np.ndarray]:
            steps_and_locals = (divmod(position, local_replicas) for position in positions.tolist())
            drawn = [self.example(step, first_replica + local, replicas, held) for step, local in steps_and_locals]
            return [np.stack([one[name] for one in drawn]) for name in sample]

        def elements(positions: tf.Tensor) -> dict[str, tf.Tensor]:
            drawn = tf.numpy_function(draw, [positions], [values.dtype for values in sample.values()])
            made = {}
            for (name, values), column in zip(sample.items(), drawn, strict=True):
                column.set_shape((None, share, *values.shape[1:]))
                made[name] = _seen(specs[name], column) if name in specs else column
            return made

        positions = tf.data.Dataset.range(first_step * local_replicas, (first_step + steps) * local_replicas)
        options = tf.data.Options()
        options.deterministic = True
        options.autotune.ram_budget = _MOST_AHEAD
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        row_bytes = sum(values.nbytes for values in sample.values())
        at_once = min(_MOST_A_CALL, max(1, _BYTES_A_CALL // (share * row_bytes)))
        drawn = positions.batch(at_once).map(elements, tf.data.AUTOTUNE).unbatch()
        return drawn.prefetch(tf.data.AUTOTUNE).with_options(options)

    def _share(self, replicas: int) -> int:
        if self.batch_size % replicas:
            raise UserError(f"batch_size {self.batch_size} is not divisible by {replicas} replicas; take a multiple")
        return self.batch_size // replicas


def let_go(column: np.ndarray) -> None:
    """Unmap the pages of a column that is a memory map, or part of one; they come back when they are read."""
    base = column.base
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap):
        base.madvise(mmap.MADV_DONTNEED)


def _mapped_bytes() -> int:
    """Return how many bytes of files are mapped into this process and in memory."""
    return int(Path("/proc/self/statm").read_bytes().split()[2]) * mmap.PAGESIZE


def held_out(
    table: Table,
    section: Any = None,
    names: Iterable[str] | None = None,
    seed: int = 0,
    count: int | None = None,
    chosen: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Return rows of the columns `names` (None for all) as models see them: the `chosen` ones, or the first `count`.

    Nothing is random: pictures stored with a margin are cropped at their centre, none is mirrored, and 'dynamic'
    binarises the whole split once, by `seed`.
    """
    wanted = list(table.specs) if names is None else list(names)
    places = slice(0, count) if chosen is None else chosen
    rows = table.stored(wanted, places)
    if section is not None and "crop" in section:
        for name in rows:
            if section.crop and table.specs[name].kind in MOVING:
                middle, rest = section.crop // 2, section.crop - section.crop // 2
                rows[name] = rows[name][:, middle:-rest, middle:-rest]
        if section.binarize == "dynamic" and "image" in rows:
            shape = (len(table), *rows["image"].shape[1:])
            rows["image"] = _binarized(rows["image"], _thresholds(seed, 0, _HELD_OUT, shape)[places])
    return {name: media.seen(table.specs[name], values) for name, values in table.derive(rows, wanted).items()}


def _seen(spec: TensorSpec, column: tf.Tensor) -> tf.Tensor:
    """Do what `zoo.media.seen` does, on a tensor."""
    import tensorflow as tf

    values = tf.cast(column, spec.dtype)
    if column.dtype == tf.uint8 and spec.kind in ("image", "video"):
        return values / 127.5 - 1.0
    if column.dtype == tf.uint8 and spec.kind == "mask":
        return values / 255.0
    return values / 32768.0 if column.dtype == tf.int16 and spec.kind == "audio" else values


def _generator(seed: int, position: int, purpose: int, table: int = 0) -> np.random.Generator:
    key = np.array([seed % 2**64, position], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, table, purpose]))


def _windows(rows: np.ndarray, offsets: np.ndarray, margin: int) -> np.ndarray:
    height, width = rows.shape[1] - margin, rows.shape[2] - margin
    windows = zip(rows, offsets.tolist(), strict=True)
    return np.stack([row[top : top + height, left : left + width] for row, (top, left) in windows])


def _thresholds(seed: int, position: int, purpose: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return bytes 0 to 254, all as likely: a byte v exceeds one with probability exactly v / 255."""
    return _generator(seed, position, purpose).integers(255, size=shape, dtype=np.uint8)


def _binarized(images: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    return np.where(thresholds < images, np.uint8(255), np.uint8(0))
