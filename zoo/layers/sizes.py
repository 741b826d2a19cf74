"""Sizes of pictures that can be halved again and again."""

from zoo.shared.errors import UserError


def smallest_map(sample_shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (m, k) with side = m * 2^k, m from 4 to 7, k >= 1; a side that has none is a `UserError`."""
    if len(sample_shape) != 3 or sample_shape[0] != sample_shape[1]:
        raise UserError(
            f"these networks make square images (side, side, channels), not samples of {sample_shape}: set "
            "--config.data.image_size, which takes centre squares, or --config.model.network=mlp"
        )
    side = sample_shape[0]
    sizes = {m * 2**k: (m, k) for m in range(4, 8) for k in range(1, 9)}
    if side not in sizes:
        nearest = min(sizes, key=lambda size: (abs(size - side), size))
        raise UserError(
            f"these networks cannot make {side} px images, only m * 2^k with m from 4 to 7; the nearest is "
            f"--config.data.image_size={nearest}"
        )
    return sizes[side]
