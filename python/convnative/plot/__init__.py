"""
Pictures of convolutions and networks, with matplotlib (``pip install 'convnative[plot]'``).

Every function returns a `matplotlib.figure.Figure` that belongs to no window: a notebook shows it,
``figure.savefig("picture.png")`` writes it.

>>> import numpy as np
>>> from convnative import filters, plot
>>> both = np.stack([filters.kernel("sobel-horizontal"), filters.kernel("laplacian")])
>>> figure = plot.kernels(both, names=["Sobel", "Laplace"])
>>> [axes.get_title() for axes in figure.axes]
['Sobel', 'Laplace', '']
"""

try:
    import matplotlib as _matplotlib  # noqa: F401
except ImportError as error:
    raise ImportError("convnative.plot needs matplotlib: pip install 'convnative[plot]'") from error

from ._architecture import architecture
from ._images import feature_maps, kernels, receptive_field
from ._training import training_curve
from ._window import sliding_window, sliding_window_animation

__all__ = [
    "architecture",
    "feature_maps",
    "kernels",
    "receptive_field",
    "sliding_window",
    "sliding_window_animation",
    "training_curve",
]
