"""A page of the server in a headless Chromium, which the Python package playwright drives.

Chromium is looked for on the PATH; a module that imports this is skipped without it, or without playwright. The
networks run in the browser too where NODE_PATH names a node_modules with onnxruntime-web.
"""

import os
import re
import shutil
import urllib.parse
from pathlib import Path

import numpy as np
import pytest

from serving.server.static import WASM

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if not CHROMIUM:
    pytest.skip("needs chromium on the PATH", allow_module_level=True)
RUNTIME = next(
    (
        folder
        for root in filter(None, os.environ.get("NODE_PATH", "").split(os.pathsep))
        if all(((folder := Path(root) / "onnxruntime-web" / "dist") / name).is_file() for name in WASM)
    ),
    None,
)

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# the pixels (height, width, 3) of what a selector finds, one after another
PIXELS = """(selector) => [...document.querySelectorAll(selector)].map((canvas) => [canvas.height, canvas.width,
    ...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data])"""


class Page:
    """A page of the server, and what it complains of."""

    def __init__(self, server, tab):
        self.server, self.tab, self.complaints = server, tab, []
        tab.set_default_timeout(10_000)
        tab.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, hash=""):
        self.tab.goto("about:blank")
        self.tab.goto(f"http://127.0.0.1:{self.server.port}/#{hash}")
        self.settle()

    def settle(self, said="(Made|samples) in "):
        """Wait until the page has said what it did."""
        playwright.expect(self.tab.locator("#status")).to_have_text(re.compile(said), timeout=30_000)

    def pixels(self, selector="#grid canvas"):
        return np.array(
            [np.reshape(one[2:], (one[0], one[1], 4))[..., :3] for one in self.tab.evaluate(PIXELS, selector)]
        )

    def wait_for_pixels(self, expected, selector="#detail .stage canvas"):
        for _ in range(100):
            made = self.pixels(selector)
            if made.shape == expected.shape and (made == expected).all():
                break
            self.tab.wait_for_timeout(20)
        np.testing.assert_array_equal(self.pixels(selector), expected)

    @property
    def told(self):
        """What the address tells."""
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.tab.url).fragment))
