"""The table "You have ... take ...": every recipe once, where its data belong, with one line and one time."""

import re
import subprocess
import sys

import pytest
from shared import REPOSITORY

from train import catalogue, config

GROUP_OF = {
    "few_pictures": catalogue.FEW,
    "faces_small": catalogue.MANY,
    "progressive_avatars": catalogue.MANY,
    "classes": catalogue.CLASSES,
    "pix2pix_camvid": catalogue.PAIRS,
    "cyclegan_emoji": catalogue.TWO,
    "stargan_avatars": catalogue.ATTRIBUTES,
    "srgan_photographs": catalogue.PHOTOGRAPHS,
    "wavenet_digits": catalogue.SOUNDS,
    "world_model_cartpole": catalogue.EPISODES,
    "dcgan_digits": catalogue.NOTHING,
    "espcn_toy": catalogue.NOTHING,
    "cyclegan_toy": catalogue.NOTHING,
    "video_pixel_network_toy": catalogue.NOTHING,
    "rpgan_ring": catalogue.NOTHING,
    "pacgan_stacked": catalogue.PUBLIC,
    "pix2pix_colour": catalogue.PUBLIC,
    "rpgan_cifar10": catalogue.GPU,
    "video_pixel_network_mnist": catalogue.GPU,
}


def test_recipes_are_where_their_data_belong():
    groups = {entry.name: entry.group for entry in catalogue.entries()}
    assert {name: groups[name] for name in GROUP_OF} == GROUP_OF
    assert set(groups.values()) == set(catalogue.GROUPS)


@pytest.mark.parametrize("entry", catalogue.entries(), ids=lambda entry: entry.name)
def test_every_recipe_has_one_line_and_one_time(entry):
    assert re.fullmatch(r"[A-Z].{20,110}[^.]", entry.line), entry.line
    assert re.fullmatch(r"(about |less than )?.{1,12}(second|minute|hour).{1,16}|a GPU's work", entry.time), entry.time


@pytest.mark.parametrize(
    ("told", "short"),
    [
        ("3 minutes on one core; PacGAN2 1 to 2 minutes.", "3 minutes on one core"),
        ("6.5 minutes of one core.", "6.5 minutes of one core"),
        ("13 minutes on 2 cores with nothing else to do, however many", "13 minutes on 2 cores"),
        ("27 minutes on 2 cores that much other work shared; alone", "27 minutes on 2 cores"),
        ("a GPU's work: 70 seconds a step on one CPU core", "a GPU's work"),
    ],
)
def test_a_time_is_cut_before_how_it_was_measured(told, short):
    assert catalogue._short(told) == short


def test_the_list_is_printed_without_tensorflow():
    program = (
        "import sys, runpy\n"
        "sys.argv = ['train', '--recipe=list']\n"
        "try:\n"
        "    runpy.run_module('train', run_name='__main__', alter_sys=True)\n"
        "finally:\n"
        "    assert 'tensorflow' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    heads = [line for line in lines if line.startswith("You have ")]
    assert heads == [f"You have {group}:" for group in catalogue.GROUPS]
    assert [line.split()[0] for line in lines if line.startswith("  ")] == [one.name for one in catalogue.entries()]
    few = lines.index(f"You have {catalogue.FEW}:") + 1
    assert re.fullmatch(r"  few_pictures +13 minutes on 2 cores +New pictures like one's own, .*", lines[few])


def test_the_same_table_for_a_page():
    rows = catalogue.markdown().splitlines()
    assert len(rows) == 2 + len(config.recipes())
    own = catalogue.markdown(catalogue.OWN).splitlines()
    assert own == rows[: len(own)]
    assert own[2].startswith(f"| {catalogue.FEW} | `few_pictures` | New pictures like one's own, ")
    assert all(row.count("|") == 5 for row in rows)
