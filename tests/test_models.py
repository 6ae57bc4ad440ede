"""The well-known networks: published counts, torchvision's names, shapes, and that they run and learn."""

import numpy as np
import pytest

import convnative as cn
import reference
from convnative import functional as F
from convnative import init, models, nn
from convnative.cli._architectures import ARCHITECTURES
from convnative.summary import summary

# Parameters, and arrays in the state_dict of torchvision's (a batch norm has three buffers).
PUBLISHED = {
    "alexnet": (61100840, 16),
    "vgg16": (138357544, 32),
    "resnet18": (11689512, 122),
    "resnet50": (25557032, 320),
    "mobilenet_v2": (3504872, 314),
    "lenet5": (61706, 10),
    "alexnet_2012": (62378344, 16),
}


def table_of(name, **options):
    with init.skip_random():
        return summary(getattr(models, name)(**options), (1, *ARCHITECTURES[name].input_shape))


def shapes_of(name, **options):
    with init.skip_random():
        state = getattr(models, name)(**options).state_dict()
    return {key: array.shape for key, array in state.items()}


@pytest.mark.parametrize("name", models.__all__)
def test_totals_are_the_published_ones(name):
    parameters, arrays = PUBLISHED[name]
    table = table_of(name)
    assert table.parameters == sum(layer.parameters for layer in table.layers) == parameters
    assert table.output_shape == (1, 10 if name == "lenet5" else 1000)
    assert len(shapes_of(name)) == arrays
    pools = [layer for layer in table.layers if "pool" in layer.kind.lower()]
    assert pools
    assert all(layer.parameters == 0 for layer in pools)


def rows(table, *kinds):
    return [
        (layer.output_shape[1:], layer.weights, layer.biases) for layer in table.layers if layer.kind in kinds
    ]


def test_alexnet_2012_is_the_table_of_the_textbooks():
    table = table_of("alexnet_2012")
    assert rows(table, "Conv2d", "MaxPool2d", "Linear") == [
        ((96, 55, 55), 96 * 11 * 11 * 3, 96),
        ((96, 27, 27), 0, 0),
        ((256, 27, 27), 256 * 5 * 5 * 96, 256),
        ((256, 13, 13), 0, 0),
        ((384, 13, 13), 884736, 384),
        ((384, 13, 13), 1327104, 384),
        ((256, 13, 13), 884736, 256),
        ((256, 6, 6), 0, 0),
        ((4096,), 37748736, 4096),
        ((4096,), 16777216, 4096),
        ((1000,), 4096000, 1000),
    ]
    parameters = [layer.parameters for layer in table.layers if layer.kind == "Conv2d"]
    assert parameters[:2] == [34944, 614656]


def test_two_columns_halve_what_three_convolutions_see():
    table = table_of("alexnet_2012", groups=2)
    parameters = [layer.parameters for layer in table.layers if layer.kind == "Conv2d"]
    assert parameters == [34944, 307456, 885120, 663936, 442624]
    assert table.parameters == 60965224


def test_alexnet_of_torchvision():
    assert rows(table_of("alexnet"), "Conv2d", "MaxPool2d") == [
        ((64, 55, 55), 23232, 64),
        ((64, 27, 27), 0, 0),
        ((192, 27, 27), 307200, 192),
        ((192, 13, 13), 0, 0),
        ((384, 13, 13), 663552, 384),
        ((256, 13, 13), 884736, 256),
        ((256, 13, 13), 589824, 256),
        ((256, 6, 6), 0, 0),
    ]


def test_lenet5_layer_by_layer():
    assert rows(table_of("lenet5"), "Conv2d", "MaxPool2d", "Linear") == [
        ((6, 28, 28), 150, 6),
        ((6, 14, 14), 0, 0),
        ((16, 10, 10), 2400, 16),
        ((16, 5, 5), 0, 0),
        ((120,), 48000, 120),
        ((84,), 10080, 84),
        ((10,), 840, 10),
    ]


def test_macs_of_the_papers():
    # "3.8 x 10^9 FLOPs" is He et al.'s for the stride in the 1 x 1 convolutions; with it in the 3 x 3: 4.1.
    assert table_of("resnet18").macs == 1814073344
    assert table_of("resnet50").macs == 4089184256
    assert table_of("mobilenet_v2").macs == 300774272  # table 4 of Sandler et al.: 300M


NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def test_names_of_torchvision():
    assert list(shapes_of("alexnet")) == [
        f"{part}.{index}.{array}"
        for part, indices in (("features", (0, 3, 6, 8, 10)), ("classifier", (1, 4, 6)))
        for index in indices
        for array in ("weight", "bias")
    ]
    vgg = shapes_of("vgg16")
    assert [key for key in vgg if key.endswith("weight")] == [
        *(f"features.{index}.weight" for index in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)),
        *(f"classifier.{index}.weight" for index in (0, 3, 6)),
    ]
    assert vgg["classifier.0.weight"] == (4096, 25088)
    resnet = shapes_of("resnet18")
    assert list(resnet)[:6] == ["conv1.weight", *(f"bn1.{array}" for array in NORM)]
    assert [key for key in resnet if key.startswith("layer2.0.")] == [
        f"layer2.0.{key}"
        for block in (("conv1", "bn1"), ("conv2", "bn2"), ("downsample.0", "downsample.1"))
        for key in (f"{block[0]}.weight", *(f"{block[1]}.{array}" for array in NORM))
    ]
    assert list(resnet)[-2:] == ["fc.weight", "fc.bias"]
    assert not any("layer1.0.downsample" in key for key in resnet)
    bottleneck = shapes_of("resnet50")
    assert [
        bottleneck[f"layer3.0.{name}.weight"] for name in ("conv1", "conv2", "conv3", "downsample.0")
    ] == [(256, 512, 1, 1), (256, 256, 3, 3), (1024, 256, 1, 1), (1024, 512, 1, 1)]
    mobile = shapes_of("mobilenet_v2")
    assert mobile["features.0.0.weight"] == (32, 3, 3, 3)
    assert mobile["features.1.conv.0.0.weight"] == (32, 1, 3, 3)
    assert mobile["features.1.conv.1.weight"] == (16, 32, 1, 1)
    assert mobile["features.2.conv.0.0.weight"] == (96, 16, 1, 1)
    assert mobile["features.2.conv.1.1.running_mean"] == (96,)
    assert mobile["features.17.conv.2.weight"] == (320, 960, 1, 1)
    assert mobile["features.17.conv.3.bias"] == (320,)
    assert mobile["features.18.0.weight"] == (1280, 320, 1, 1)
    assert list(mobile)[-2:] == ["classifier.1.weight", "classifier.1.bias"]


@pytest.mark.parametrize(
    ("name", "strides"), [("resnet18", (1, 2)), ("resnet50", (1, 2)), ("mobilenet_v2", (1, 2))]
)
def test_a_block_is_its_formula(name, strides):
    """One block of each network in float64 against the reference's convolutions."""
    rng = np.random.default_rng(0)

    def conv_norm(x, conv, norm):
        y = reference.conv_forward(x, conv.weight, None, conv.stride, conv.padding, 1, conv.groups)
        shape = (1, -1, 1, 1)
        scale = norm.weight / np.sqrt(norm.running_var + norm.eps)
        return (y - norm.running_mean.reshape(shape)) * scale.reshape(shape) + norm.bias.reshape(shape)

    for stride in strides:
        x = rng.standard_normal((2, 8, 5, 6))
        if name == "mobilenet_v2":
            block = models.InvertedResidual(8, 8, stride, 3, np.float64).eval()
        elif name == "resnet18":
            block = models.BasicBlock(8, 8, stride, np.float64).eval()
        else:
            block = models.Bottleneck(8, 2, stride, np.float64).eval()
        for module in block.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean = rng.standard_normal(module.running_mean.shape)
                module.running_var = rng.uniform(0.5, 2, module.running_var.shape)
        if name == "mobilenet_v2":
            (widen, widen_norm, _), (filter, filter_norm, _), narrow, narrow_norm = block.conv
            y = np.clip(conv_norm(x, widen, widen_norm), 0, 6)
            y = np.clip(conv_norm(y, filter, filter_norm), 0, 6)
            y = conv_norm(y, narrow, narrow_norm) + (x if stride == 1 else 0)
        else:
            y = np.maximum(conv_norm(x, block.conv1, block.bn1), 0)
            y = conv_norm(y, block.conv2, block.bn2)
            if name == "resnet50":
                y = conv_norm(np.maximum(y, 0), block.conv3, block.bn3)
            y = np.maximum(y + (x if block.downsample is None else conv_norm(x, *block.downsample)), 0)
            assert (block.downsample is None) == (stride == 1)
        np.testing.assert_allclose(block(x), y, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_they_run_on_small_images_and_learn(name):
    model = getattr(models, name)(num_classes=3, rng=0)
    rng = np.random.default_rng(1)
    x, labels = rng.standard_normal((4, 3, 32, 32)).astype(np.float32), np.array([0, 1, 2, 0])
    loss, grads = cn.value_and_grad(lambda m: F.cross_entropy(m(x), labels), model)
    assert np.isfinite(loss)
    assert set(grads) == {key for key, _ in model.named_parameters()}
    assert all(np.isfinite(grad).all() for grad in grads.values())
    assert summary(model, x.shape).output_shape == model(x).shape == (4, 3)


def test_weights_are_drawn_as_in_torchvision():
    model = models.resnet18(rng=0)
    weight = model.layer4[0].conv2.weight
    assert weight.std() == pytest.approx(np.sqrt(2 / (512 * 9)), rel=0.01)
    assert np.array_equal(weight, models.resnet18(rng=0).layer4[0].conv2.weight)
    assert np.abs(model.fc.weight).max() == pytest.approx(1 / np.sqrt(512), rel=0.01)
    mobile = models.mobilenet_v2(rng=0)
    assert mobile.classifier[1].weight.std() == pytest.approx(0.01, rel=0.02)
    assert not mobile.classifier[1].bias.any()
    assert models.lenet5(dtype=np.float64)[0].weight.dtype == np.float64


def test_the_width_of_mobilenet_is_a_multiple_of_8():
    # The counts of the published networks of these widths.
    for width, parameters in ((0.5, 1968680), (1.4, 6108776)):
        with init.skip_random():
            assert cn.count_parameters(models.mobilenet_v2(width_mult=width)).total == parameters


def test_skip_random_draws_nothing():
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    with init.skip_random():
        layer = nn.Linear(3, 2, rng=rng)
        with pytest.raises(ValueError, match="std"):
            init.normal((2,), std=-1)
    assert rng.bit_generator.state == before
    assert not layer.weight.any()
    assert nn.Linear(3, 2, rng=rng).weight.any()


@pytest.mark.parametrize("name", models.__all__)
def test_bad_arguments(name):
    build = getattr(models, name)
    with init.skip_random():
        with pytest.raises(ValueError, match="num_classes"):
            build(0)
        with pytest.raises(TypeError, match="num_classes"):
            build(2.5)
        with pytest.raises((TypeError, ValueError), match="dtype"):
            build(dtype=np.int32)
        with pytest.raises(TypeError, match="rng"):
            build(rng="seed")
