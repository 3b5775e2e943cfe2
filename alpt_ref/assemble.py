"""From a configuration to the two trained things, table and model, and back and forth to plain arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from .catalog import MODELS, TABLES
from .config import RunConfig
from .models import make_model
from .optim import StepSchedule
from .tables import make_table

if TYPE_CHECKING:
    from .data.dataset import ClickDataset
    from .models.base import Model
    from .tables.base import EmbeddingTable

State = dict[str, NDArray[Any]]


def build(config: RunConfig, dataset: ClickDataset) -> tuple[EmbeddingTable, Model]:
    """Table and model at their initial values.

    Both are drawn from ``config.train.seed`` and not from the method, so that runs which differ only in the method
    start from the same weights.
    """
    settings, seed = config.table, config.train.seed
    options = {name: getattr(settings, name) for name in TABLES[settings.method].settings}
    options.pop("two_pass", None)  # how the table is trained, not what it is
    reach = options.pop("init_range", None)
    if options.get("init_step") == "range":
        options["init_step"] = ("range", reach)
    if "granularity" in options:
        options["field_offsets"] = dataset.field_offsets
    table = make_table(
        settings.method,
        dataset.n,
        config.model.dim,
        optimizer=settings.optimizer,
        lr=settings.lr,
        weight_decay=settings.weight_decay,
        init_std=settings.init_std,
        seed=seed,
        **options,
    )
    sizes = {name: getattr(config.model, name) for name in MODELS[config.model.kind].settings}
    return table, make_model(config.model.kind, dataset.fields, config.model.dim, seed=seed, **sizes)


def rates(config: RunConfig, epoch: int) -> dict[str, float]:
    """Learning rates of table, dense part and (for ALPT) step size in an epoch, counted from 1."""
    schedule = {"table": config.table.lr, "dense": config.model.lr}
    if config.table.method == "alpt":
        schedule["step"] = config.table.step_lr
    train = config.train
    return {name: StepSchedule(lr, train.milestones, train.decay_factor).at(epoch) for name, lr in schedule.items()}


def snapshot(table: EmbeddingTable, model: Model) -> State:
    """A copy of everything the two hold, as one flat dict: ``table/...`` and ``model/...`` (their `state` copies)."""
    state: State = {f"table/{name}": array for name, array in table.state().items()}
    return state | {f"model/{name}": array for name, array in model.state().items()}


def restore(state: State, table: EmbeddingTable, model: Model) -> None:
    """Put a `snapshot` back."""
    parts: dict[str, State] = {"table": {}, "model": {}}
    for name, array in state.items():
        part, _, key = name.partition("/")
        parts[part][key] = array
    table.load_state(parts["table"])
    model.load_state(parts["model"])
