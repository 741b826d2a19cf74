"""Requests that run together: never another answer, never another's error, never more waiting than allowed."""

import asyncio
import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import serving
from serving.server.batching import Batcher, proven_sizes
from serving.server.limits import Limits
from serving.server.loading import load, warm_up_inputs
from serving.server.refused import Refused
from zoo.noise import fill
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

Z = TensorSpec("z", (4,), "normal")
X = TensorSpec("x", (4,), "output")


class Fake:
    """A map that doubles z, refuses -1, and waits for `gate`; `batches` holds the first column of what ran at once."""

    spec, is_free = MapSpec((Z,), (X,)), False

    def __init__(self, is_open=True):
        self.gate, self.batches, self.blocks, self.threads = threading.Event(), [], [], set()
        if is_open:
            self.gate.set()

    def parts(self, start, count, least):
        yield range(start, start + count)

    def run_batch(self, inputs):
        self.threads.add(threading.current_thread())
        self.batches.append(inputs["z"][:, 0].tolist())
        assert self.gate.wait(10)
        if (inputs["z"] == -1).any():
            raise UserError("it is -1")
        return {"x": inputs["z"] * 2}

    def run(self, inputs, start=0, sides=None):
        self.threads.add(threading.current_thread())
        self.blocks.append((len(inputs["z"]), start))
        return {"x": inputs["z"] * 2}


def rows(value, count=1):
    return {"z": np.full((count, 4), value, np.float32)}


def run(scenario, map, sizes=(4, 2, 1), lanes=1, **options):
    """Run the coroutine `scenario(batcher)` in an event loop of its own."""

    async def main():
        with ThreadPoolExecutor(lanes) as pool:
            return await scenario(Batcher(map, Limits(lanes=lanes, **options), pool, sizes))

    return asyncio.run(main())


def test_what_arrives_together_runs_together():
    async def scenario(batcher):
        return await asyncio.gather(*(batcher.run(rows(value)) for value in range(7)))

    fake = Fake()
    made = run(scenario, fake)
    assert [answer["x"].tolist() for answer in made] == [[[2.0 * value] * 4] for value in range(7)]
    # four at once, as many as are proven; of the three left, two and one
    assert fake.batches == [[0, 1, 2, 3], [4, 5], [6]]


def test_what_waits_for_a_lane_gathers():
    async def scenario(batcher):
        first = asyncio.create_task(batcher.run(rows(0)))
        while not fake.batches:
            await asyncio.sleep(0.001)
        others = [asyncio.create_task(batcher.run(rows(value))) for value in (1, 2)]
        await asyncio.sleep(0.01)
        assert batcher.depth == 2
        fake.gate.set()
        return await asyncio.gather(first, *others)

    fake = Fake(is_open=False)
    run(scenario, fake)
    assert fake.batches == [[0], [1, 2]]


def test_a_delay_gathers_what_comes_later():
    async def scenario(batcher):
        first = asyncio.create_task(batcher.run(rows(0)))
        await asyncio.sleep(0.02)
        assert not fake.batches
        await asyncio.gather(first, batcher.run(rows(1)))

    fake = Fake()
    run(scenario, fake, delay=0.2)
    assert fake.batches == [[0, 1]]


def test_a_full_batch_does_not_wait():
    async def scenario(batcher):
        begin = time.perf_counter()
        first = asyncio.create_task(batcher.run(rows(0)))
        await asyncio.sleep(0.01)
        await asyncio.gather(first, *(batcher.run(rows(value)) for value in (1, 2, 3)))
        await batcher.run(rows(4, 2))  # nothing could join it
        return time.perf_counter() - begin

    assert run(scenario, Fake(), delay=9.0) < 5


def test_several_rows_and_later_starts_run_by_themselves_in_order():
    async def scenario(batcher):
        await asyncio.gather(
            batcher.run(rows(0)),
            batcher.run(rows(1)),
            batcher.run(rows(2, 3)),
            batcher.run(rows(3), 5),
            batcher.run(rows(4)),
        )

    fake = Fake()
    run(scenario, fake)
    assert fake.batches == [[0, 1], [4]]
    assert fake.blocks == [(3, 0), (1, 5)]


def test_nobody_is_refused_for_a_neighbours_sake():
    async def scenario(batcher):
        return await asyncio.gather(*(batcher.run(rows(value)) for value in (5, -1, 7, 8)), return_exceptions=True)

    made = run(scenario, Fake())
    assert [answer["x"][0, 0] for answer in (made[0], *made[2:])] == [10, 14, 16]
    assert isinstance(made[1], UserError)


def test_a_full_queue_refuses_at_once():
    async def scenario(batcher):
        tasks = [asyncio.create_task(batcher.run(rows(0)))]
        while not fake.batches:
            await asyncio.sleep(0.001)
        tasks += [asyncio.create_task(batcher.run(rows(value))) for value in range(3)]
        await asyncio.sleep(0.01)
        begin = time.perf_counter()
        with pytest.raises(Refused) as refused:
            await batcher.run(rows(9))
        assert time.perf_counter() - begin < 1
        assert (refused.value.status, refused.value.headers) == (503, {"retry-after": "1"})
        fake.gate.set()
        await asyncio.gather(*tasks)
        return (await batcher.run(rows(9)))["x"][0, 0]

    fake = Fake(is_open=False)
    assert run(scenario, fake, queue=3) == 18


def test_what_is_cancelled_while_it_waits_never_runs():
    async def scenario(batcher):
        first, second = asyncio.create_task(batcher.run(rows(0))), asyncio.create_task(batcher.run(rows(1)))
        while not fake.batches:
            await asyncio.sleep(0.001)
        third = asyncio.create_task(batcher.run(rows(2)))
        await asyncio.sleep(0.01)
        second.cancel()  # it runs by now, for nobody
        third.cancel()
        fake.gate.set()
        assert (await first)["x"][0, 0] == 0
        return (await batcher.run(rows(3)))["x"][0, 0]

    fake = Fake(is_open=False)
    assert run(scenario, fake, sizes=(2, 1)) == 6
    assert fake.batches == [[0, 1], [3]]


def test_who_has_left_takes_no_place_in_the_queue():
    async def scenario(batcher):
        first = asyncio.create_task(batcher.run(rows(0)))
        while not fake.batches:
            await asyncio.sleep(0.001)
        left = [asyncio.create_task(batcher.run(rows(value, 2))) for value in range(3)]
        late = asyncio.create_task(asyncio.wait_for(batcher.run(rows(9, 2)), 0.01))
        await asyncio.sleep(0.03)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, late, return_exceptions=True)
        assert batcher.depth == 0
        live = asyncio.create_task(batcher.run(rows(5)))
        await asyncio.sleep(0.01)
        fake.gate.set()
        await first
        return (await live)["x"][0, 0]

    fake = Fake(is_open=False)
    assert run(scenario, fake, queue=4) == 10
    assert fake.blocks == []


def test_too_little_memory_to_join_rows_is_told_or_mended(monkeypatch):
    """`np.concatenate` of their inputs fails: each runs by itself, and the queue goes on."""

    def fails(*_):
        raise MemoryError

    async def scenario(batcher):
        monkeypatch.setattr(np, "concatenate", fails)
        made = await asyncio.gather(*(batcher.run(rows(value)) for value in range(2)))
        return [answer["x"][0, 0] for answer in (*made, await batcher.run(rows(2)))]

    fake = Fake()
    assert run(scenario, fake) == [0, 2, 4]
    assert fake.batches == [[0], [1], [2]]


def test_a_quick_map_runs_in_the_event_loop_only_while_that_is_idle():
    async def scenario():
        with ThreadPoolExecutor(1) as pool:
            batcher = Batcher(fake, Limits(lanes=1), pool, (2, 1), is_quick=True)
            await batcher.run(rows(0))
            own = set(fake.threads)
            await asyncio.gather(batcher.run(rows(1)), batcher.run(rows(2)))
            return own, fake.threads - own

    fake = Fake()
    own, other = asyncio.run(scenario())
    assert own == {threading.main_thread()}
    assert len(other) == 1


@pytest.mark.parametrize(("count", "start", "is_free"), [(2, 0, False), (1, 1, False), (1, 0, True)])
def test_only_the_row_that_was_timed_runs_in_the_event_loop(count, start, is_free):
    async def scenario():
        with ThreadPoolExecutor(1) as pool:
            await Batcher(fake, Limits(lanes=1), pool, is_quick=True).run(rows(0, count), start)

    fake = Fake()
    fake.is_free = is_free
    asyncio.run(scenario())
    assert fake.threads and threading.main_thread() not in fake.threads


def test_a_quick_map_goes_to_another_thread_while_one_runs():
    """In the event loop's thread it would wait for a core that the other run has."""

    async def scenario():
        with ThreadPoolExecutor(2) as pool:
            batcher = Batcher(fake, Limits(lanes=2), pool, (2, 1), is_quick=True)
            two = [asyncio.create_task(batcher.run(rows(value))) for value in (1, 2)]
            while not fake.batches:
                await asyncio.sleep(0.001)
            third = asyncio.create_task(batcher.run(rows(3)))
            while len(fake.batches) < 2:
                await asyncio.sleep(0.001)
            fake.gate.set()
            await asyncio.gather(*two, third)

    fake = Fake(is_open=False)
    asyncio.run(scenario())
    assert fake.batches == [[1, 2], [3]]
    assert threading.main_thread() not in fake.threads


def test_quick_runs_share_the_way_to_another_thread():
    async def scenario():
        with ThreadPoolExecutor(2) as pool:
            batcher = Batcher(fake, Limits(lanes=2, batch=3), pool, (1,), is_quick=True, observe=seen.append)
            return await asyncio.gather(*(batcher.run(rows(value)) for value in range(4)))

    fake, seen = Fake(), []
    made = asyncio.run(scenario())
    assert [answer["x"][0, 0] for answer in made] == [0, 2, 4, 6]
    assert sorted(fake.batches) == [[0], [1], [2], [3]]
    assert seen == [3, 1]


def test_sizes_that_change_a_bit_are_not_proven():
    class Rounding(Fake):
        def run_batch(self, inputs):
            made = inputs["z"] * 2
            # from four rows on, the last row ends in another bit
            return {"x": made if len(made) < 4 else np.concatenate([made[:-1], np.nextafter(made[-1:], np.float32(9))])}

    inputs = fill(Fake.spec, 16, 0)
    assert proven_sizes(Fake(), inputs, 16) == (16, 8, 4, 2, 1)
    assert proven_sizes(Rounding(), inputs, 16) == (2, 1)
    assert proven_sizes(Fake(), inputs, 1) == (1,)
    assert proven_sizes(Fake(), inputs, 12) == (8, 4, 2, 1)
    assert proven_sizes(Fake(), inputs, 16, seconds=0.0) == (1,)


def test_a_bundle_serves_before_its_sizes_are_proven(several):
    with ThreadPoolExecutor(1) as pool:
        loaded = load(several, "m", 1, Limits(), pool, lambda *_: None)
    assert {name: batcher.sizes for name, batcher in loaded.batchers.items()} == {
        "generate": (1,),
        "encode": (1,),
        "translate": (1,),
    }
    loaded.prove()
    expected = proven_sizes(loaded.bundle["encode"], loaded.tried["encode"], 16)
    assert loaded.batchers["encode"].sizes == expected


def test_joined_answers_have_the_bits_of_single_ones(start, models, several):
    models.put(several, "m")
    running = start(models.root, delay=0.05)
    bundle = serving.load(several)
    inputs = fill(bundle["generate"].spec, 40, 3)["z"]

    def ask(k):
        return running.post("/v1/models/m:predict", {"inputs": inputs[k : k + 1].tolist()}).json["outputs"]

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(ask, range(40)))
    for k in range(40):
        alone = bundle["generate"].run({"z": inputs[k : k + 1]})["image"]
        assert np.array(made[k], np.float32).tobytes() == alone.tobytes()
    assert max(size for *_, size in running.batches) > 1
    assert sum(size for *_, size in running.batches) == 40
    assert {batch[:3] for batch in running.batches} == {("m", 1, "generate")}


def test_a_map_whose_rows_look_at_one_another_never_joins_requests(start, models, factory, make_node):
    """It shows which rows ran together: those that `serving.load` runs together, whatever else is asked."""
    spec = MapSpec((Z,), (X,))
    nodes = [make_node("ReduceMean", "z axis", "mean", keepdims=1), make_node("Add", "z mean", "x")]
    path = factory(spec, nodes, axis=np.array([0]))
    models.put(path, "m")
    running, map = start(models.root, delay=0.05), serving.load(path)["generate"]

    def ask(query):
        answer = running.get(f"/v1/models/m:{query}", accept="application/x-npy")
        return np.load(io.BytesIO(answer.body))

    queries = ["sample?seed=1", "sample?seed=2", "sample?seed=3&count=7", "sample?seed=3&count=5&start=6"]
    queries.append("interpolate?seed_from=1&seed_to=2&steps=6")
    with ThreadPoolExecutor(5) as pool:
        made = list(pool.map(ask, queries))
    expected = [map(1, 1), map(1, 2), map(7, 3), map(5, 3, 6)]
    for answer, outputs in zip(made, expected, strict=False):
        np.testing.assert_array_equal(answer, outputs["x"])
    np.testing.assert_array_equal(made[-1], serving.Generator(path).interpolate(1, 2, 6, dtype="float32"))


def test_overload_over_http(start, models, several):
    models.put(several, "m")
    running = start(models.root, lanes=1, queue=2)
    batcher = running.repository.find("m").loaded.batchers["generate"]
    gate, run_batch = threading.Event(), batcher.map.run_batch

    def slow(inputs):
        assert gate.wait(10)
        return run_batch(inputs)

    batcher.map.run_batch, batcher._is_quick = slow, False

    def ask(_):
        return running.post("/v1/models/m:predict", {"inputs": [[0] * 8]})

    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(ask, 0)
        while not running.batches:
            time.sleep(0.001)
        others = [pool.submit(ask, k) for k in range(6)]
        while sum(other.done() for other in others) < 4:
            time.sleep(0.001)
        gate.set()
        answers = [future.result() for future in (first, *others)]
    assert sorted(answer.status for answer in answers) == [200] * 3 + [503] * 4
    for answer in answers:
        if answer.status == 503:
            assert answer.headers["retry-after"] == "1"
            assert "2 requests wait already" in answer.error


def test_a_late_answer_is_a_504_over_http(start, models, several):
    models.put(several, "m")
    running = start(models.root, lanes=1, timeout=0.2)
    batcher = running.repository.find("m").loaded.batchers["generate"]
    gate, run_batch, ran = threading.Event(), batcher.map.run_batch, []

    def slow(inputs):
        ran.append(len(inputs["z"]))
        assert gate.wait(10)
        return run_batch(inputs)

    batcher.map.run_batch, batcher._is_quick = slow, False
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: running.post("/v1/models/m:predict", {"inputs": [[0] * 8]}), range(3)))
    assert {(answer.status, answer.error) for answer in answers} == {
        (504, "no answer within 0.2 seconds: ask for less at a time, or later")
    }
    gate.set()
    assert running.post("/v1/models/m:predict", {"inputs": [[0] * 8]}).status == 200
    assert len(ran) <= 3  # those that still waited when their time was over did not run


def test_warm_up_inputs_are_the_examples_in_turn_or_neutral():
    photo = TensorSpec("photo", (2, 2, 3), "condition", "image")
    positive = TensorSpec("scale", (2,), "condition", "point", low=0.5, high=2.0)
    label = TensorSpec("label", (), "condition", "class", low=3, high=4)
    spec = MapSpec((photo, positive, label, Z), (X,))
    examples = {"photo": np.arange(24, dtype=np.float32).reshape(2, 2, 2, 3), "x": np.zeros((2, 4))}
    made = warm_up_inputs(spec, examples, 3)
    np.testing.assert_array_equal(made["photo"], examples["photo"][[0, 1, 0]])
    np.testing.assert_array_equal(made["scale"], np.full((3, 2), 0.5))
    np.testing.assert_array_equal(made["label"], [3, 4, 3])
    np.testing.assert_array_equal(made["z"], fill(MapSpec((Z,), (X,)), 3, 0)["z"])
