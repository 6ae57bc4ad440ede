"""docs/operators.md has every operator and no other, and the package has what its users expect."""

import inspect
import re
from pathlib import Path

import pytest

from convnative import functional, nn

TABLE = Path(__file__).resolve().parents[1] / "docs" / "operators.md"

# What users of the field's other libraries expect to find; `{}` stands for each number of axes.
FUNCTIONS = {
    "conv{}d": "123",
    "conv{}d_grad_input": "123",
    "conv{}d_grad_weight": "123",
    "conv{}d_grad_bias": "123",
    "conv_transpose{}d": "123",
    "max_pool{}d": "123",
    "max_unpool{}d": "123",
    "avg_pool{}d": "123",
    "lp_pool{}d": "123",
    "adaptive_avg_pool{}d": "123",
    "adaptive_max_pool{}d": "123",
    "fractional_max_pool{}d": "23",
    "dropout{}d": "123",
    "global_avg_pool global_max_pool unfold fold pad pixel_shuffle pixel_unshuffle interpolate flatten": "",
    "relu relu6 leaky_relu prelu elu gelu silu sigmoid tanh hardswish hardsigmoid softplus": "",
    "softmax log_softmax": "",
    "batch_norm layer_norm group_norm instance_norm local_response_norm dropout alpha_dropout": "",
    "linear embedding cross_entropy nll_loss mse_loss l1_loss smooth_l1_loss huber_loss kl_div": "",
    "binary_cross_entropy binary_cross_entropy_with_logits": "",
}
LAYERS = {
    "Conv{}d": "123",
    "LazyConv{}d": "123",
    "ConvTranspose{}d": "123",
    "LazyConvTranspose{}d": "123",
    "SeparableConv{}d": "12",
    "MaxPool{}d": "123",
    "MaxUnpool{}d": "123",
    "AvgPool{}d": "123",
    "LPPool{}d": "123",
    "AdaptiveAvgPool{}d": "123",
    "AdaptiveMaxPool{}d": "123",
    "FractionalMaxPool{}d": "23",
    "BatchNorm{}d": "123",
    "InstanceNorm{}d": "123",
    "Dropout{}d": "123",
    "Unfold Fold PixelShuffle PixelUnshuffle Upsample Flatten Unflatten Identity": "",
    "ReLU ReLU6 LeakyReLU PReLU ELU GELU SiLU Sigmoid Tanh Hardswish Hardsigmoid Softplus": "",
    "Softmax LogSoftmax LayerNorm GroupNorm LocalResponseNorm Dropout AlphaDropout Linear Embedding": "",
    "CrossEntropyLoss NLLLoss MSELoss L1Loss SmoothL1Loss HuberLoss BCELoss BCEWithLogitsLoss KLDivLoss": "",
    "Sequential ModuleList ModuleDict Residual Concat": "",
}


def expanded(names):
    return [
        name.format(axes)
        for pattern, numbers in names.items()
        for name in pattern.split()
        for axes in numbers or " "
    ]


def rows():
    lines = [line for line in TABLE.read_text().splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def named(column):
    return [name for row in rows() for name in re.findall(r"`(\w+)`", row[column])]


def layers():
    """The public classes that can be put into a network."""
    return [
        name
        for name in nn.__all__
        if inspect.isclass(value := getattr(nn, name)) and issubclass(value, nn.Module) and value not in BASES
    ]


BASES = {getattr(nn, name) for name in ("Module", "LazyLayer") if hasattr(nn, name)}


def test_the_table_is_one_table():
    head, rule, *body = rows()
    assert head[:2] == ["Function", "Layer"]
    assert set(rule) == {"---"}
    for row in body:
        assert len(row) == len(head), row
        assert row[0].startswith("**") or row[0] or row[1], row


@pytest.mark.parametrize(("column", "module"), [(0, functional), (1, nn)], ids=["functions", "layers"])
def test_the_table_has_every_public_name_once_and_no_other(column, module):
    public = functional.__all__ if module is functional else layers()
    found = named(column)
    assert sorted(found) == sorted(set(found))
    assert sorted(set(public) - set(found)) == [], "not in the table"
    assert sorted(set(found) - set(public)) == [], "in the table but not in the package"


@pytest.mark.parametrize("name", expanded(FUNCTIONS))
def test_function_exists(name):
    assert name in functional.__all__
    assert callable(getattr(functional, name))


@pytest.mark.parametrize("name", expanded(LAYERS))
def test_layer_exists(name):
    assert name in nn.__all__
    assert issubclass(getattr(nn, name), nn.Module)
