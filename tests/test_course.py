"""The course: every chapter runs as printed, its links lead somewhere, and its classical numbers hold."""

import doctest
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

import convnative as cn
from convnative import functional as F
from convnative import nn, shapes

COURSE = Path(__file__).resolve().parents[1] / "docs" / "course"
pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")

CHAPTERS = sorted(COURSE.glob("[0-9]*.md"))


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_runs_as_printed(chapter):
    result = doctest.testfile(str(chapter), module_relative=False, encoding="utf-8")
    assert result.attempted > 5
    assert result.failed == 0


def test_contents_have_every_chapter_in_order():
    contents = (COURSE / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\d+\. \[.+\]\((.+\.md)\)", contents, re.MULTILINE)
    assert listed == [chapter.name for chapter in CHAPTERS]
    assert len(listed) >= 10


@pytest.mark.parametrize("chapter", [*CHAPTERS, COURSE / "README.md"], ids=lambda path: path.stem)
def test_links_lead_somewhere(chapter):
    text = chapter.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (chapter.parent / target).exists(), target
    if chapter in CHAPTERS:
        assert text.count("**Try.**") == 1
        following = [*CHAPTERS, COURSE / "README.md"][CHAPTERS.index(chapter) + 1]
        assert f"]({following.name})" in text.splitlines()[-1]


def test_every_picture_is_made_and_shown():
    pictures = runpy.run_path(str(COURSE / "pictures.py"))["PICTURES"]
    assert {path.name for path in COURSE.glob("*.png")} == set(pictures)
    shown = "".join(chapter.read_text(encoding="utf-8") for chapter in CHAPTERS)
    for name, draw in pictures.items():
        assert f"]({name})" in shown
        assert (COURSE / name).stat().st_size < 250_000
        if name != "learning.png":  # the example's own test draws that one
            assert draw().axes


# -- the classical numbers, by the library's functions ----------------------------------------------------


def conv(x, kernel, **options):
    x, kernel = (np.array(array, dtype=np.float64)[np.newaxis, np.newaxis] for array in (x, kernel))
    return (F.conv1d if x.ndim == 3 else F.conv2d)(x, kernel, **options)[0, 0]


def test_one_to_five_with_1_0_minus_1_gives_minus_2_first():
    assert conv([1, 2, 3, 4, 5], [1, 0, -1]).tolist() == [-2, -2, -2]


def test_3_by_4_under_2_by_2_gives_2_by_3_and_a_row_and_column_keep_the_size():
    x, kernel = np.arange(12).reshape(3, 4), [[0, 1], [2, 3]]
    assert conv(x, kernel).tolist() == [[24, 30, 36], [48, 54, 60]]
    assert conv(x, kernel, padding=((0, 1), (0, 1))).shape == (3, 4)
    assert conv(x, kernel, padding="same").shape == (3, 4)


def test_5_by_5_under_3_by_3_gives_3_by_3_and_5_by_5_with_same():
    course = runpy.run_path(str(COURSE / "pictures.py"))
    assert conv(course["IMAGE"], course["CROSS"]).tolist() == [[4, 3, 4], [2, 4, 3], [2, 3, 4]]
    same = conv(course["IMAGE"], course["CROSS"], padding="same")
    assert same.shape == (5, 5)
    assert same[1:4, 1:4].tolist() == [[4, 3, 4], [2, 4, 3], [2, 3, 4]]


def test_5_by_5_by_3_with_two_filters_padding_1_stride_2_gives_3_by_3_by_2():
    layer = nn.Conv2d(3, 2, 3, stride=2, padding=1)
    assert layer(np.ones((1, 3, 5, 5), np.float32)).shape == (1, 2, 3, 3)
    assert cn.count_parameters(layer).total == 2 * 27 + 2
    y = F.conv2d(np.ones((1, 3, 5, 5)), np.ones((2, 3, 3, 3)), stride=2, padding=1)
    assert y[0, 1].tolist() == [[12, 18, 12], [18, 27, 18], [12, 18, 12]]


def test_288_to_143_to_71():
    assert shapes.conv_output_size(288, kernel_size=4, stride=2) == 143
    assert shapes.pool_output_size(143, kernel_size=3, stride=2) == 71
    y = F.max_pool2d(F.conv2d(np.zeros((1, 1, 288, 288)), np.zeros((1, 1, 4, 4)), stride=2), 3, 2)
    assert y.shape == (1, 1, 71, 71)


def test_dilation_2_of_3_by_3_ones():
    x = np.arange(49).reshape(7, 7)
    expected = [[x[i : i + 5 : 2, j : j + 5 : 2].sum() for j in range(3)] for i in range(3)]
    assert conv(x, np.ones((3, 3)), dilation=2).tolist() == expected
    assert shapes.effective_kernel_size(3, 2) == 5


def test_channel_mixing_gives_0_48():
    pixel = np.array([0.2, 0.8, 0.1]).reshape(1, 3, 1, 1)
    weight = np.array([0.3, 0.5, 0.2]).reshape(1, 3, 1, 1)
    assert F.conv2d(pixel, weight).item() == pytest.approx(0.48, abs=1e-15)
