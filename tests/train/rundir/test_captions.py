"""Names above the columns of a sheet."""

import numpy as np
import pytest
from PIL import ImageFont

from train.rundir import captions

SHEET = np.zeros((10, 120, 3), np.uint8)


def ink(names, sheet=SHEET):
    """Return for each name what is written above its column, true where it is dark."""
    made = captions.above(sheet, names)
    strip = made[: -len(sheet), :, 0] < 128
    return np.split(strip, len(names), axis=1)


def test_the_sheet_stays_and_keeps_its_channels():
    made = captions.above(SHEET, ("a", "b"))
    np.testing.assert_array_equal(made[-10:], SHEET)
    assert made.shape[1:] == (120, 3) and (made[..., 0] == made[..., 2]).all()


def test_letters_are_the_largest_that_fit():
    low, high = len(captions.above(SHEET, ("ox", "ox"))), len(captions.above(SHEET, ("a longer name", "ox")))
    assert low == 10 + 14 + 6 and 10 + 9 + 6 <= high < low


def test_a_name_that_does_not_fit_is_cut_short():
    font = ImageFont.load_default(9)
    cut = captions._cut("a very long name indeed", font, 40)
    assert cut.startswith("a very") and cut.endswith("…") and 30 < font.getlength(cut) <= 40
    assert captions._cut("fits", font, 40) == "fits"
    assert captions._cut("none", font, 1) == ""
    first, second = ink(("a very long name indeed", "x"), np.zeros((5, 80, 1), np.uint8))
    assert first[:, :2].sum() == 0 and first[:, -1].sum() == 0, "and does not run into the next one"


@pytest.mark.parametrize("name", ["猫", "кот", "a\nb"])
def test_what_the_font_cannot_write_becomes_the_number_of_its_class(name):
    np.testing.assert_array_equal(ink(("ox", name, "ox", name)), ink(("ox", "1", "ox", "1")))


def test_letters_with_accents_are_written():
    plain, accented = ink(("Ecran", "Écran"))
    assert (plain != accented).any()
    assert not np.array_equal(accented, ink(("x", "1"))[1])
