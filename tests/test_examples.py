"""The examples run, in their short form, and learn."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"

# What the last numbers of the output must come to in the short form, with a margin for other machines' sums.
LEAST_ACCURACY = {"residual_digits": 90, "conv1d_signals": 65, "conv3d_shapes": 55}
OTHERS = {"autoencoder_digits", "classify_sentences", "downsampling", "learn_filter"}


def run(name, *arguments):
    # One thread: networks this small gain nothing from more, and lose much on a machine that is busy.
    environment = {**os.environ, "CONVNATIVE_NUM_THREADS": "1"}
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), "--quick", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert result.returncode == 0, result.stderr
    assert not result.stderr
    return result.stdout


def test_every_example_is_run():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {*LEAST_ACCURACY, *OTHERS}


@pytest.mark.parametrize("name", LEAST_ACCURACY)
def test_classifiers_learn(name):
    output = run(name)
    accuracy = re.findall(r"^test accuracy ([\d.]+)%", output, re.MULTILINE)[-1]
    assert float(accuracy) >= LEAST_ACCURACY[name], output


def test_the_autoencoder_beats_the_linear_code():
    output = run("autoencoder_digits")
    error = {name: float(value) for name, value in re.findall(r"^  (\w+(?: \w+)?) +(0\.\d+)$", output, re.M)}
    assert error["autoencoder"] < error["linear code"] < error["mean image"], output


def test_gradient_descent_recovers_sobel_and_draws_it(tmp_path):
    pytest.importorskip("matplotlib")
    image = pytest.importorskip("PIL.Image")
    picture = tmp_path / "kernel.png"
    output = run("learn_filter", "--kernel", "sobel", "--picture", str(picture))
    error = re.findall(r"^largest error of sobel (\S+)$", output, re.MULTILINE)
    assert float(error[0]) < 1e-3, output
    with image.open(picture) as drawn:
        assert drawn.width > 5 * drawn.height / 2


def test_gradient_descent_recovers_the_gaussian():
    example = runpy.run_path(str(EXAMPLES / "learn_filter.py"))
    kernel = example["KERNELS"]["gaussian"]
    shown, losses, learned = example["learn"](kernel, 600, np.random.default_rng(0))
    assert np.abs(shown["step 0"] - kernel).max() > 0.1
    assert losses[0] > 0.1
    assert losses[-1] < 1e-8
    np.testing.assert_allclose(learned, kernel, rtol=0, atol=1e-3)


def test_downsampling_by_hand_and_learned():
    output = run("downsampling")
    assert "max pooling 2: [[7.0, 2.0], [4.0, 9.0]]" in output
    assert "average pooling 2: [[4.0, 1.0], [3.0, 5.0]]" in output
    assert "four quarters: [[4.0, 1.0], [3.0, 5.0]]" in output
    assert "the upper left number: [[1.0, 2.0], [4.0, 8.0]]" in output
    assert "0.3 R + 0.5 G + 0.2 B of (0.2, 0.8, 0.1) is 0.48\n" in output
    accuracies = re.findall(r"^(\w+ \w+) .*test accuracy ([\d.]+)%", output, re.MULTILINE)
    assert len(accuracies) == 3
    assert all(float(accuracy) > 85 for _, accuracy in accuracies), output


def test_a_sentence_filter_is_shown_with_its_words():
    output = run("classify_sentences")
    assert re.search(r"^debugger\n  a filter of [345] words: \w+", output, re.MULTILINE)
    most = float(re.findall(r"^always the most frequent part ([\d.]+)%", output, re.MULTILINE)[0])
    reached = float(re.findall(r"^test accuracy ([\d.]+)%", output, re.MULTILINE)[0])
    assert reached > most + 15
