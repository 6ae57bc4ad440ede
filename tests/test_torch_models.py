"""The well-known networks beside torchvision's: the same state_dict, and the same scores from it."""

import numpy as np
import pytest

from convnative import init, models

torch = pytest.importorskip("torch")
try:
    import torchvision
except (ImportError, RuntimeError) as error:  # RuntimeError: its operators do not fit the torch that is there
    pytest.skip(f"needs torchvision: {error}", allow_module_level=True)

NAMES = ("alexnet", "vgg16", "resnet18", "resnet50", "mobilenet_v2")


def untrained(name):
    with init.skip_random():
        return getattr(models, name)()


@pytest.mark.parametrize("name", NAMES)
def test_same_state_dict(name):
    with torch.device("meta"):
        theirs = getattr(torchvision.models, name)(weights=None).state_dict()
    ours = untrained(name).state_dict()
    assert list(ours) == list(theirs)
    assert [array.shape for array in ours.values()] == [tuple(tensor.shape) for tensor in theirs.values()]


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "mobilenet_v2"])
def test_same_scores_from_the_same_weights(name):
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    theirs, ours = getattr(torchvision.models, name)(weights=None).eval(), untrained(name).eval()
    state = {key: tensor.numpy() for key, tensor in theirs.state_dict().items()}  # they share memory
    for key, array in state.items():
        if key.endswith("running_mean"):
            array[...] = rng.normal(0, 0.1, array.shape)
        elif key.endswith("running_var"):
            array[...] = rng.uniform(0.5, 2, array.shape)
    ours.load_state_dict(state)
    x = rng.standard_normal((2, 3, 64, 48), dtype=np.float32)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(ours(x), expected, rtol=0, atol=1e-5 * np.abs(expected).max())
