"""Requests for one map wait in a bounded queue, and those of one row run together where that changes no bit.

A run in a batch may change the last bits of a row (see `zoo.runtime`). Which sizes of batches leave every bit as it is
with the row alone is tried on the machine that serves, with inputs of its own: `proven_sizes`. Only such batches are
run. A request of several rows is a batch already, and runs by itself, in the blocks in which `serving.load` would run
it. So the answer to a request does not depend on what others ask.

Nothing waits for a fuller batch unless a delay is asked for: while the cores are busy, requests gather by themselves.
"""

import asyncio
import collections
import dataclasses
import functools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np

from serving.maps import ServedMap, enough_memory
from serving.server.limits import Limits
from serving.server.refused import Refused
from serving.sides import Sides

Arrays = Mapping[str, np.ndarray]
_PART = 16  # rows


@dataclasses.dataclass(frozen=True, eq=False)
class Job:
    """One request's checked inputs, numbered from `start`, and the future of its outputs."""

    inputs: Arrays
    start: int
    future: "asyncio.Future[dict[str, np.ndarray]]"
    begun: float
    sides: Sides | None = None

    @property
    def is_single(self) -> bool:
        """Whether it is one row that runs as row 0 does: alone in its block."""
        return self.start == 0 and len(next(iter(self.inputs.values()))) == 1


def proven_sizes(map: ServedMap, inputs: Arrays, most: int, seconds: float = math.inf) -> tuple[int, ...]:
    """Return the powers of two up to `most`, the largest first, in whose batches each row has the bits it has alone.

    `inputs` holds `most` rows or more to try. 1 is always among them. No size is tried after so many `seconds`.
    """
    alone: list[dict[str, np.ndarray]] = []
    sizes, size, end = [1], 2, time.perf_counter() + seconds
    while size <= most and time.perf_counter() < end:
        for k in range(len(alone), size):
            alone.append(map.run_batch({name: values[k : k + 1] for name, values in inputs.items()}))
        made = map.run_batch({name: np.ascontiguousarray(values[:size]) for name, values in inputs.items()})
        if all(made[name][k].tobytes() == alone[k][name][0].tobytes() for name in made for k in range(size)):
            sizes.append(size)
        size *= 2
    return tuple(reversed(sizes))


class Batcher:
    """The queue of one map. All methods but those of a run belong to the event loop's thread."""

    def __init__(
        self,
        map: ServedMap,
        limits: Limits,
        pool: Executor,
        sizes: Sequence[int] = (1,),
        is_quick: bool = False,
        observe: Callable[[int], None] = lambda size: None,
    ) -> None:
        """Run `map` in the `pool`, in batches of the proven `sizes`; `observe` is told how many requests ran at once.

        Another thread may set other `sizes` while it serves.

        A map that `is_quick` runs one row in the event loop's own thread while it has nothing else to do: going to
        another thread and back would take longer. What is larger than the row that was timed goes there always.
        """
        self.map = map
        self._limits, self._pool, self._is_quick, self._observe = limits, pool, is_quick, observe
        self.sizes = sizes
        self._waiting: collections.deque[Job] = collections.deque()
        self._running = 0
        self._is_due = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def _most(self) -> int:
        # quick runs share the way to another thread, even where each is a run of its own
        return self._limits.batch if self._is_quick else self.sizes[0]

    @property
    def depth(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    async def run(self, inputs: Arrays, start: int = 0, sides: Sides | None = None) -> dict[str, np.ndarray]:
        """Return what `ServedMap.run` does; a full queue is a `Refused` 503 at once. Who is cancelled is not run."""
        if len(self._waiting) >= self._limits.queue:
            raise Refused(503, f"{len(self._waiting)} requests wait already; try again later", {"retry-after": "1"})
        loop = asyncio.get_running_loop()
        job = Job(inputs, start, loop.create_future(), loop.time(), sides)
        self._waiting.append(job)
        if not self._is_due:
            # not at once: other requests that have arrived by now join this one
            self._is_due = True
            loop.call_soon(self._dispatch)
        try:
            return await job.future
        finally:
            if job.future.cancelled() and job in self._waiting:  # it takes nobody's place, nor memory, any longer
                self._waiting.remove(job)

    def _dispatch(self) -> None:
        """Start as many batches as there are free lanes."""
        self._is_due = False
        loop = asyncio.get_running_loop()
        while self._waiting and self._running < self._limits.lanes:
            if self._waiting[0].future.done():  # too late for its deadline, or its client is gone
                self._waiting.popleft()
                continue
            count = self._joined()
            if self._limits.delay and count < self._most and self._joins(self._waiting[0]):
                wait = self._waiting[0].begun + self._limits.delay - loop.time()
                if wait > 0:
                    self._timer = self._timer or loop.call_later(wait, self._waited)
                    return
            jobs = [self._waiting.popleft() for _ in range(count)]
            self._observe(len(jobs))
            is_idle = not self._waiting and not self._running
            if self._is_quick and len(jobs) == 1 and self._joins(jobs[0]) and is_idle:
                self._finish(jobs, self._answers(jobs))
                return
            self._running += 1
            future = loop.run_in_executor(self._pool, self._answers, jobs)
            future.add_done_callback(functools.partial(self._done, jobs))

    def _waited(self) -> None:
        self._timer = None
        self._dispatch()

    def _joined(self) -> int:
        """How many requests at the head of the queue run at once: single rows together, any other by itself."""
        count = 0
        for job in self._waiting:
            if count == self._most or not self._joins(job):
                break
            count += 1
        return max(1, count)

    def _joins(self, job: Job) -> bool:
        """Whether the job may run beside others; pictures of free sides, which may differ in shape, never do."""
        return job.is_single and not self.map.is_free

    def _done(self, jobs: Sequence[Job], future: "asyncio.Future[list[Any]]") -> None:
        self._running -= 1
        try:
            self._finish(jobs, future.result())
        finally:
            self._dispatch()

    def _finish(self, jobs: Sequence[Job], answers: Sequence[Any]) -> None:
        for job, answer in zip(jobs, answers, strict=True):
            if job.future.done():
                continue
            if isinstance(answer, BaseException):
                job.future.set_exception(answer)
            else:
                job.future.set_result(answer)

    def _answers(self, jobs: Sequence[Job]) -> list[Any]:
        """Return for each job its outputs, or the error that it is to be told."""
        if not self._joins(jobs[0]):
            return [_tried(lambda: self._alone(jobs[0]))]
        answers: list[Any] = []
        while len(answers) < len(jobs):
            size = next(size for size in self.sizes if size <= len(jobs) - len(answers))
            answers += self._together(jobs[len(answers) : len(answers) + size])
        return answers

    def _alone(self, job: Job) -> dict[str, np.ndarray]:
        """Return what `ServedMap.run` does, part by part, so that no more is run for a client that has left."""
        outputs: dict[str, np.ndarray] = {}
        count = len(next(iter(job.inputs.values())))
        for part in self.map.parts(job.start, count, _PART):
            if job.future.done():
                break
            own = slice(part.start - job.start, part.stop - job.start)
            made = self.map.run({name: values[own] for name, values in job.inputs.items()}, part.start, job.sides)
            if len(part) == count:
                return made
            for name, values in made.items():
                outputs.setdefault(name, np.empty((count, *values.shape[1:]), values.dtype))[own] = values
        return outputs

    def _together(self, jobs: Sequence[Job]) -> list[Any]:
        if len(jobs) == 1:
            return [_tried(lambda: self.map.run_batch(jobs[0].inputs))]
        made = _tried(
            lambda: self.map.run_batch(
                {name: np.concatenate([job.inputs[name] for job in jobs]) for name in jobs[0].inputs}
            )
        )
        if isinstance(made, Exception):  # nobody is refused for a neighbour's sake
            return [self._together([job])[0] for job in jobs]
        return [{name: values[k : k + 1] for name, values in made.items()} for k in range(len(jobs))]


def _tried(run: Callable[[], dict[str, np.ndarray]]) -> Any:
    """Return what `run` returns, or the exception that it raises."""
    try:
        with enough_memory():
            return run()
    except Exception as error:  # what is no `UserError` is a bug of ours: the one request fails, the queue goes on
        return error
