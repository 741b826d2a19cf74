"""What one request may ask for, and how many may wait."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

from serving.server.refused import Refused
from zoo.spec import MapSpec


@dataclasses.dataclass(frozen=True)
class Limits:
    """Bounds of the server. What exceeds one is refused before memory is taken for it.

    - `body`: bytes of a request's body, and of what a compressed body becomes.
    - `rows`: samples, or rows of input, of one request.
    - `output`: bytes of the arrays that one request makes.
    - `pixels`: height times width of a picture that is sent, and of all picture files of one condition together.
    - `memory`: bytes of the bodies, arrays and answers of all requests at once; who comes when it is used up is
      answered 503.
    - `connections`: clients at once; more are answered 503.
    - `queue`: requests that wait for one map; more are answered 503 at once.
    - `timeout`: seconds until a request is answered 504, or 408 where its body has not arrived.
    - `batch`: requests of one row that run together; `delay`: seconds that the first of them waits for others.
    - `lanes`: runs at the same time.
    """

    body: int = 64 * 2**20
    rows: int = 1024
    output: int = 256 * 2**20
    pixels: int = 2**22
    memory: int = 2 * 2**30
    connections: int = 512
    queue: int = 256
    timeout: float = 30.0
    batch: int = 16
    delay: float = 0.0
    lanes: int = 2

    def check_rows(self, spec: MapSpec, count: int, given: Mapping[str, tuple[int, ...]] | None = None) -> None:
        """Refuse more rows than are allowed, or whose outputs are too large; `given` holds shapes of conditions."""
        if count > self.rows:
            raise Refused(400, f"{count:,} samples in one request; ask for at most {self.rows:,} at a time")
        shapes = spec.shapes(given or {})
        size = 4 * count * sum(math.prod(shape) for shape in shapes.values())
        if size > self.output:
            raise Refused(400, f"the answer would hold {size:,} bytes; at most {self.output:,} are made at a time")

    def check_pixels(self, height: int, width: int) -> None:
        """Refuse a picture of too many pixels."""
        if height * width > self.pixels:
            raise Refused(400, f"the picture has {height:,} x {width:,} pixels; send at most {self.pixels:,} in all")

    def check_pictures(self, sides: Sequence[tuple[int, int]]) -> None:
        """Refuse pictures, each (height, width), that have too many pixels, one of them or all together."""
        for height, width in sides:
            self.check_pixels(height, width)
        pixels = sum(height * width for height, width in sides)
        if pixels > self.pixels:
            raise Refused(400, f"the pictures have {pixels:,} pixels; send at most {self.pixels:,} in all at a time")
