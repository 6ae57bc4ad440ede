"""The examples run, in their short form, and learn."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"

# What the last numbers of the output must come to in the short form, with a margin for other machines' sums.
LEAST_ACCURACY = {"residual_digits": 90, "conv1d_signals": 65, "conv3d_shapes": 55}


def run(name):
    # One thread: networks this small gain nothing from more, and lose much on a machine that is busy.
    environment = {**os.environ, "CONVNATIVE_NUM_THREADS": "1"}
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), "--quick"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert result.returncode == 0, result.stderr
    assert not result.stderr
    return result.stdout


def test_every_example_is_run():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {*LEAST_ACCURACY, "autoencoder_digits"}


@pytest.mark.parametrize("name", LEAST_ACCURACY)
def test_classifiers_learn(name):
    output = run(name)
    accuracy = re.findall(r"^test accuracy ([\d.]+)%", output, re.MULTILINE)[-1]
    assert float(accuracy) >= LEAST_ACCURACY[name], output


def test_the_autoencoder_beats_the_linear_code():
    output = run("autoencoder_digits")
    error = {name: float(value) for name, value in re.findall(r"^  (\w+(?: \w+)?) +(0\.\d+)$", output, re.M)}
    assert error["autoencoder"] < error["linear code"] < error["mean image"], output
