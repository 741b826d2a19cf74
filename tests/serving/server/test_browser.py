"""The page in a real headless Chromium: what is clicked and dragged shows what the networks make, pixel for pixel.

See `chromium` for what that needs.
"""

import io
import re
import urllib.parse
from pathlib import Path

import numpy as np
import pytest
import raster
from chromium import CHROMIUM, FLAGS, RUNTIME, Page, playwright
from PIL import Image

import serving
from serving.directions import principal_directions, samples_of
from serving.server.keys import Keys
from zoo import bundle, images, media
from zoo.noise import fill
from zoo.spec import MapSpec, TensorSpec

needs_runtime = pytest.mark.skipif(
    RUNTIME is None, reason="needs onnxruntime-web: npm install onnxruntime-web, and NODE_PATH"
)
Z = TensorSpec("z", (8,), "normal")
LABEL = TensorSpec("label", (), "condition", "class", low=0, high=2, names=("cat", "dog", "barn_owl"))
LOOKS = TensorSpec(
    "looks", (3,), "condition", "attributes", names=("black", "blond", "hat"), exclusive=(("black", "blond"),)
)
PHOTO = TensorSpec("photo", (2, 3, 3), "condition", "image")
IMAGE = TensorSpec("image", (4, 4, 3), "output", "image")
SOUND = TensorSpec("sound", (2000,), "output", "audio", rate=8000.0)
VIDEO = TensorSpec("video", (3, 4, 4, 3), "output", "video", rate=20.0)
COUNT = 24  # pictures in the grid


@pytest.fixture(scope="module")
def paths(shared_factory):
    coloured = TensorSpec("coloured", (4, 6, 3), "output", "image")
    return {
        "animals": shared_factory(MapSpec((Z, LABEL), (IMAGE,))),
        "colour": shared_factory(MapSpec((PHOTO, LOOKS), (coloured,))),
        "rows": raster.write(shared_factory),
        "voices": shared_factory(MapSpec((Z,), (SOUND,))),
        "films": shared_factory(MapSpec((Z,), (VIDEO,))),
    }


@pytest.fixture(scope="module")
def server(start_shared, shared_models, paths):
    for name, path in paths.items():
        shared_models.put(path, name)
    server = start_shared(shared_models.root)
    server.service.browser_runtime = RUNTIME
    return server


@pytest.fixture(scope="module")
def driver():
    with playwright.sync_playwright() as made:
        yield made


@pytest.fixture(scope="module")
def chromium(driver):
    browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    yield browser
    browser.close()


@pytest.fixture
def visit(chromium):
    """A function that opens a page of a server in a context of its own; in the end nothing may be complained of."""
    pages = []

    def make(server, hash="", **options):
        context = chromium.new_context(viewport={"width": 1280, "height": 860}, **options)
        pages.append(Page(server, context.new_page()))
        if hash is not None:
            pages[-1].open(hash)
        return pages[-1]

    yield make
    complaints = [complaint for page in pages for complaint in page.complaints]
    for page in pages:
        page.tab.context.close()
    assert not complaints


def shown(values):
    """The bytes of pictures with three channels, as a screen shows them."""
    made = images.to_uint8(values)
    return np.broadcast_to(made, (*made.shape[:-1], 3))


def test_a_grid_that_rolls_again_and_can_be_shared(visit, server, paths):
    page = visit(server, "model=animals&seed=7")
    generator = serving.Generator(paths["animals"])
    first = page.pixels()
    np.testing.assert_array_equal(first, generator.sample(COUNT, 7))
    page.tab.click("#roll")
    playwright.expect(page.tab.locator("#seed")).not_to_have_value("7")
    page.settle()
    seed = int(page.told["seed"])
    page.wait_for_pixels(generator.sample(COUNT, seed), "#grid canvas")
    assert (page.pixels() != first).any()
    page.tab.fill("#seed", "7")
    page.tab.press("#seed", "Enter")
    page.wait_for_pixels(first, "#grid canvas")
    other = visit(server, urllib.parse.urlsplit(page.tab.url).fragment)
    np.testing.assert_array_equal(other.pixels(), first)


def test_classes_by_name(visit, server, paths):
    page = visit(server, "model=animals&seed=7")
    assert page.tab.locator("#grid figcaption").nth(2).inner_text() == "barn owl"
    page.tab.select_option("select", label="barn owl")
    expected = serving.Generator(paths["animals"]).sample(COUNT, 7, label="barn_owl")
    page.wait_for_pixels(expected, "#grid canvas")
    assert page.told["c.label"] == "barn_owl"


def test_a_walk_along_a_direction(visit, server, paths):
    page = visit(server, "model=animals&seed=7")
    page.tab.click("#grid .tile:nth-child(3) .open")
    slider = page.tab.locator("#detail .sliders input").nth(1)
    slider.wait_for()
    before = page.pixels("#detail .stage canvas")
    np.testing.assert_array_equal(before[0], serving.Generator(paths["animals"]).sample(COUNT, 7)[2])
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.tab.mouse.move(box["x"] + box["width"] / 2, middle)
    page.tab.mouse.down()
    page.tab.mouse.move(box["x"] + box["width"] * 0.8, middle, steps=5)
    page.tab.mouse.up()
    amount = float(slider.input_value())
    assert 2 < amount < 3
    map = serving.load(paths["animals"])["generate"]
    found = principal_directions(map, fill(map.spec, samples_of(map.spec), 0))
    inputs = {name: values[2:3] for name, values in fill(map.spec, 3, 7).items()}
    moved = (inputs["z"] + amount * found.vectors[1].astype(np.float64)).astype(np.float32)
    expected = shown(map.run(inputs | {"z": moved})["image"])
    page.wait_for_pixels(expected)
    assert (expected != before).any()
    assert page.told["sample"] == "2"
    assert [float(amount) for amount in page.told["walk"].split(",")][1] == amount
    again = visit(server, urllib.parse.urlsplit(page.tab.url).fragment)
    again.wait_for_pixels(expected)
    page.tab.keyboard.press("Escape")
    playwright.expect(page.tab.locator("#detail")).to_be_hidden()
    assert "sample" not in page.told


def test_the_way_between_picked_samples(visit, server, paths):
    page = visit(server, "model=animals&seed=7&c.label=dog")
    for number in (2, 5):
        page.tab.hover(f"#grid .tile:nth-child({number}) .open")
        page.tab.click(f"#grid .tile:nth-child({number}) .pick")
    page.tab.click("#between")
    map = serving.load(paths["animals"])["generate"]
    noise = fill(map.spec, 5, 7)["z"].astype(np.float64)
    a, b = noise[1], noise[4]
    angle = np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    for t in (0.0, 0.25, 1.0):
        page.tab.locator("#detail input[type=range]").fill(str(t))
        z = ((np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)).astype(np.float32)
        page.wait_for_pixels(shown(map.run({"z": z[None], "label": np.array([1], np.int32)})["image"]))
    assert (page.told["picks"], page.told["at"]) == ("1,4", "1")


def test_the_keyboard(visit, server):
    page = visit(server, "model=animals&seed=7")
    page.tab.focus("#grid .tile:nth-child(1) .open")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft", "Space"):
        page.tab.keyboard.press(key)
    columns = page.tab.evaluate(
        "() => { const tops = [...document.querySelectorAll('.open')].map((tile) => tile.getBoundingClientRect().top);"
        "return tops.filter((top) => top === tops[0]).length; }"
    )
    assert page.told["picks"] == str(columns + 1)
    page.tab.keyboard.press("Enter")
    playwright.expect(page.tab.locator("#detail-title")).to_have_text(f"Sample {columns + 1} of seed 7")
    page.tab.keyboard.press("Escape")
    page.tab.keyboard.press("r")
    playwright.expect(page.tab.locator("#seed")).not_to_have_value("7")
    page.settle()


def test_a_picture_before_and_after(visit, server, paths):
    page = visit(server, None)
    page.tab.goto(f"http://127.0.0.1:{server.port}/#model=colour")
    page.settle("photo is missing")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    page.tab.set_input_files(".well input", {"name": "photo.png", "mimeType": "image/png", "buffer": buffer.getvalue()})
    page.settle()
    map = serving.load(paths["colour"])["generate"]
    np.testing.assert_array_equal(page.pixels(".compare .before canvas")[0], pixels)
    page.wait_for_pixels(shown(map(photo=pixels, looks=[])["coloured"]), ".compare > canvas")
    for chip, looks in (("hat", ["hat"]), ("black", ["hat", "black"]), ("blond", ["hat", "blond"]), ("hat", ["blond"])):
        page.tab.click(f".chip:has-text('{chip}')")
        page.wait_for_pixels(shown(map(photo=pixels, looks=looks)["coloured"]), ".compare > canvas")
    handle = page.tab.locator(".compare .handle").bounding_box
    start, box = handle(), page.tab.locator(".compare").bounding_box()
    page.tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.tab.mouse.down()
    page.tab.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 20, steps=4)
    page.tab.mouse.up()
    assert handle()["x"] - start["x"] > box["width"] * 0.3
    with page.tab.expect_download() as saved:
        page.tab.click("text=Download PNG")
    made = np.asarray(Image.open(saved.value.path()).convert("RGB"))
    np.testing.assert_array_equal(made, shown(map(photo=pixels, looks=["blond"])["coloured"])[0])


def test_examples_and_what_of_them_is_kept(visit, start, models, factory, add_files):
    # black and white: where the mask is 1 nothing else may be sent, and grey stands for what is to be made
    given = TensorSpec("given", (4, 3, 1), "condition", "image")
    known = TensorSpec("known", (4, 3, 1), "condition", "mask", keeps="given")
    whole = TensorSpec("whole", (4, 3, 1), "output", "image", levels=2)
    path = factory(MapSpec((given, known), (whole,)))
    masks = np.stack([np.arange(12).reshape(4, 3, 1) % (k + 2) == 0 for k in range(3)]).astype(np.float32)
    pictures = masks * np.where(np.random.default_rng(0).random(masks.shape) < 0.5, -1, 1).astype(np.float32)
    held = io.BytesIO()
    np.savez(held, **{"generate/given": pictures, "generate/known": masks})
    models.put(add_files(path, {bundle.EXAMPLES: held.getvalue()}), "whole")
    page = visit(start(models.root), "example=1")
    map = serving.load(path)["generate"]
    for k in (1, 2):
        page.wait_for_pixels(shown(map(given=pictures[k], known=masks[k])["whole"]), ".compare > canvas")
        assert page.tab.locator("text=Keep").is_hidden()
        page.tab.click(".strip button:nth-child(3)")
    assert page.told["example"] == "2"
    # of a picture of one's own, levelled, the upper rows are kept
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    page.tab.set_input_files(".well input", {"name": "photo.png", "mimeType": "image/png", "buffer": buffer.getvalue()})
    own = np.where(pixels < 128, -1, 1).astype(np.float32)[..., None]
    for share, kept in ((0.5, 2), (0.75, 3)):
        page.tab.locator(".toolbar input[type=range]").fill(str(share))
        upper = np.broadcast_to((np.arange(4) < kept)[:, None, None], own.shape).astype(np.float32)
        page.wait_for_pixels(shown(map(given=own, known=upper)["whole"]), ".compare > canvas")


def test_a_file_that_is_no_picture(visit, server):
    page = visit(server, None)
    page.tab.goto(f"http://127.0.0.1:{server.port}/#model=colour")
    page.settle("photo is missing")
    page.tab.set_input_files(".well input", {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"})
    playwright.expect(page.tab.locator("#error")).to_have_text("cannot read notes.txt: drop a picture")


def test_sounds_play_and_are_those_of_the_map(visit, server, paths):
    page = visit(server, "model=voices&seed=4")
    assert page.tab.locator("audio").count() == 4
    page.tab.evaluate(
        """() => new Promise((done) => {
            const player = document.querySelector('audio');
            player.muted = true;
            player.addEventListener('ended', () => done());
            player.play();
        })"""
    )
    with page.tab.expect_download() as saved:
        page.tab.locator("text=Download").nth(1).click()
    expected = serving.load(paths["voices"])["generate"](4, 4)["sound"]
    assert Path(saved.value.path()).read_bytes() == media.encode(SOUND, expected[1])


def test_videos_play_and_stop(visit, server, paths):
    page = visit(server, "model=films&seed=4")
    frames = shown(serving.load(paths["films"])["generate"](6, 4)["video"])[2]
    seen = set()
    for _ in range(200):
        (now,) = page.pixels(".tile:nth-child(3) canvas")
        seen |= {k for k in range(3) if (now == frames[k]).all()}
        if len(seen) == 3:
            break
        page.tab.wait_for_timeout(10)
    assert seen == {0, 1, 2}
    page.tab.click(".tile:nth-child(3) .screen")
    still = page.pixels(".tile:nth-child(3) canvas")
    page.tab.wait_for_timeout(200)
    np.testing.assert_array_equal(page.pixels(".tile:nth-child(3) canvas"), still)
    with page.tab.expect_download() as saved:
        page.tab.locator("text=Download GIF").nth(2).click()
    assert Image.open(saved.value.path()).n_frames == 3


def test_pictures_in_raster_order_come_row_by_row(visit, server, paths):
    page = visit(server, None)
    held = []
    page.tab.route("**/*step/**", lambda request: held.append(request))
    page.tab.goto(f"http://127.0.0.1:{server.port}/#model=rows&seed=6")
    whole = shown(serving.load(paths["rows"])["generate"](COUNT, 6)["image"])
    for y in range(raster.HEIGHT):
        while len(held) <= y:
            page.tab.wait_for_timeout(10)
        partial = whole.copy()
        partial[:, y:] = 128
        if y:
            page.wait_for_pixels(partial, "#grid canvas")
        held[y].continue_()
    page.settle()
    np.testing.assert_array_equal(page.pixels(), whole)


@needs_runtime
@pytest.mark.parametrize("model", ["animals", "rows"])
def test_networks_in_the_browser_make_what_the_server_makes(visit, server, paths, model):
    page = visit(server, f"model={model}&seed=7&engine=browser")
    page.settle("in this browser, by WebAssembly. The largest difference from the server is [01] of 255 levels")
    assert page.tab.evaluate("crossOriginIsolated")
    expected = serving.Generator(paths[model]).sample(COUNT, 7).astype(int)
    assert np.abs(page.pixels() - expected).max() <= 1


@needs_runtime
def test_a_graphics_processor_makes_what_the_server_makes(driver, server, paths):
    # SwiftShader stands in for one on the processor, and is told to pass for a real one
    flags = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--use-vulkan=swiftshader"]
    flags += ["--enable-features=Vulkan", *(flag for flag in FLAGS if flag != "--disable-gpu")]
    browser = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
    try:
        page = Page(server, browser.new_page())
        passes = "Object.defineProperty(GPUAdapterInfo.prototype, 'isFallbackAdapter', { value: false })"
        page.tab.add_init_script(f"if (self.GPUAdapterInfo) {passes}")
        page.tab.goto(f"http://127.0.0.1:{server.port}/")
        if not page.tab.evaluate("navigator.gpu?.requestAdapter().then(Boolean)"):
            pytest.skip("this Chromium has no adapter for WebGPU")
        page.open("model=animals&seed=7&engine=browser")
        page.settle("by WebGPU. The largest difference from the server is [01] of 255 levels")
        expected = serving.Generator(paths["animals"]).sample(COUNT, 7).astype(int)
        assert np.abs(page.pixels() - expected).max() <= 1
        assert not page.complaints
    finally:
        browser.close()


@needs_runtime
def test_a_picture_of_any_size_in_the_browser(visit, start, models, factory, make_node):
    photo = TensorSpec("photo", (4, 4, 3), "condition", "image", multiple=4)
    larger = TensorSpec("larger", (8, 8, 3), "output", "image", follows="photo")
    # the mean of all pixels, those of the padding too, is added
    nodes = [
        make_node("Resize", "photo", "resized", mode="nearest"),
        make_node("ReduceMean", "photo axes", "mean"),
        make_node("Add", "resized mean", "sum"),
        make_node("Mul", "sum half", "larger"),
    ]
    nodes[0].input.extend(["", "scales"])
    weights = {"scales": np.float32([1, 2, 2, 1]), "axes": np.array([1, 2]), "half": np.float32(0.5)}
    path = factory(MapSpec((photo,), (larger,)), nodes, **weights)
    models.put(path, "larger")
    server = start(models.root)
    server.service.browser_runtime = RUNTIME
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    page = visit(server, None)
    page.tab.goto(f"http://127.0.0.1:{server.port}/#engine=browser")
    page.settle("photo is missing")
    page.tab.set_input_files(".well input", {"name": "photo.png", "mimeType": "image/png", "buffer": buffer.getvalue()})
    page.settle("The largest difference from the server is 0 of 255 levels")
    page.wait_for_pixels(shown(serving.load(path)["generate"](photo=pixels)["larger"]), ".compare > canvas")


def test_without_the_runtime_the_page_says_how_to_get_it(visit, start, models, paths):
    models.put(paths["animals"], "animals")
    page = visit(start(models.root))
    assert page.tab.locator("#local-switch").is_hidden()
    assert "--browser_runtime" in page.tab.locator("#local-hint").inner_text()


def test_a_key_is_asked_for_once(visit, start, models, paths):
    models.put(paths["animals"], "animals")
    server = start(models.root, keys=Keys(["a-key-of-16-letters"]))
    page = visit(server, None)
    page.tab.goto(f"http://127.0.0.1:{server.port}/#seed=7")
    page.tab.fill("#key", "a-key-of-16-letters")
    page.tab.press("#key", "Enter")
    page.settle()
    np.testing.assert_array_equal(page.pixels(), serving.Generator(paths["animals"]).sample(COUNT, 7))
    page.tab.reload()
    page.settle()
    # Chromium itself tells of the one answer before the key
    assert all("401" in complaint for complaint in page.complaints)
    assert len(page.complaints) == 1
    page.complaints.clear()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_on_a_phone(visit, server, scheme):
    page = visit(server, None, color_scheme=scheme, has_touch=True, is_mobile=True, device_scale_factor=2)
    page.tab.set_viewport_size({"width": 390, "height": 844})
    for model in ("animals", "colour", "voices", "films"):
        page.tab.goto(f"http://127.0.0.1:{server.port}/#model={model}")
        playwright.expect(page.tab.locator("#title")).to_have_text(model)
        page.settle("(Made|samples) in |is missing")
        assert page.tab.evaluate("document.documentElement.scrollWidth") == 390
    paper = page.tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper))) > 3 * 128) == (scheme == "light")


def test_the_page_for_programs_tries_what_it_describes(visit, server, paths):
    page = visit(server, None)
    page.tab.goto(f"http://127.0.0.1:{server.port}/docs")
    operation = page.tab.locator("details", has=page.tab.get_by_text("/v1/models/animals:sample", exact=True)).first
    operation.locator("summary").click()
    operation.get_by_label("count").fill("1")
    operation.get_by_label("seed").fill("5")
    operation.get_by_label("label").fill("dog")
    address = f"http://127.0.0.1:{server.port}/v1/models/animals:sample?count=1&seed=5&label=dog"
    playwright.expect(operation.locator("pre").first).to_have_text(f"curl '{address}'")
    operation.get_by_role("button", name="Try it").click()
    playwright.expect(operation.locator("img")).to_be_visible()
    playwright.expect(operation).to_contain_text("200 OK, image/png")
