"""The settings of the built-in backbones: one struct per backbone, its `Options`; loads neither Numba nor NumPy."""

from __future__ import annotations

from typing import Annotated

import msgspec

from alpt_ref._util.settings import Rule, whole

WIDTHS = Rule(
    "one or more whole numbers from 1 to 2**31 - 1",
    lambda value: len(value) > 0 and all(1 <= width < 2**31 for width in value),
)


class PlainOptions(msgspec.Struct, frozen=True):
    """Logistic regression and FM have no settings of their own."""


class DnnOptions(msgspec.Struct, frozen=True):
    """DNN and DeepFM: the MLP."""

    hidden: Annotated[tuple[int, ...], WIDTHS, "Widths of the hidden layers."] = (1024, 512, 256)
    batch_norm: Annotated[bool, "Batch norm before each ReLU."] = True


class DcnOptions(DnnOptions, frozen=True):
    """DCN: the MLP and cross layers."""

    cross_layers: Annotated[int, whole(1), "Number of cross layers."] = 3
