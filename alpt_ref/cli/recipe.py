"""Which runs of the command line take the settings that fit their data: those on data that are named, and no more.

``--preset`` and ``--config`` name every setting, ``--init-from`` has the run's; ``--set`` names single ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from alpt_ref.cli.init_from import NEW_ROWS

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.training.config import RunConfig


def named_settings(options: Mapping[str, Any]) -> frozenset[str] | None:
    """Settings that the options name, where the others are to fit the data; None where they are not.

    Asked before `make_config`, which takes the options out.
    """
    if options.get("preset") is not None or options.get("config_file") is not None:
        return None
    if not any(options.get(name) for name in NEW_ROWS):
        return None
    return frozenset(text.partition("=")[0].strip() for text in options.get("overrides", ()))


def fit_to(
    config: RunConfig, dataset: ClickDataset, named: frozenset[str] | None, log: Callable[[str | None], None],
    *, alone: bool = False,
) -> RunConfig:  # fmt: skip
    """The configuration with the recipe for the dataset's training rows, and a remark on it; as it is with None.

    `alone`: one run, not a comparison of methods (`alpt_ref.training.recipe.fitted`).
    """
    if named is None:
        return config
    from alpt_ref.training.recipe import fitted, in_words
    from alpt_ref.training.weights import counted_rows

    rows = len(counted_rows(dataset, "train"))
    if rows == 0:  # refused by the training, in its own words
        return config
    chosen = fitted(config, rows, named, alone=alone)
    log(in_words(config, chosen, rows))
    return chosen
