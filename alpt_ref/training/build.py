"""Table and model from a configuration, and their states as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from alpt_ref.errors import InputError
from alpt_ref.models import make_model
from alpt_ref.models.make import model_class
from alpt_ref.tables import make_table
from alpt_ref.training.batches import batch_count
from alpt_ref.training.config import RunConfig
from alpt_ref.training.schedule import decays
from alpt_ref.training.weights import counted_rows

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.models.base import Model
    from alpt_ref.models.ops_base import Ops
    from alpt_ref.tables.base import EmbeddingTable
    from alpt_ref.training.results import EpochRecord

State = dict[str, NDArray[Any]]


def build(
    config: RunConfig, dataset: ClickDataset, *, device: str = "cpu", ops: Ops | None = None
) -> tuple[EmbeddingTable, Model]:
    """Table and model at their initial values, on a device; their states fit each other's on any.

    Both are drawn from ``config.train.seed`` and not from the method, so that runs which differ only in the method
    start from the same weights. `ops`: what the model computes with in place of the device's operations.
    """
    table = make_table(config.table.method, device=device, **table_arguments(config, dataset))
    return table, build_model(config, dataset, device if ops is None else ops)


def table_arguments(config: RunConfig, dataset: ClickDataset) -> dict[str, Any]:
    """What `make_table` gets beside method and device."""
    settings = config.table
    return {
        "n": dataset.n,
        "d": model_class(config.model.entry).table_dim(config.model.dim),
        "optimizer": settings.optimizer,
        "lr": settings.lr,
        "weight_decay": settings.weight_decay,
        "init_std": settings.init_std,
        "seed": config.train.seed,
        "field_offsets": dataset.field_offsets,
        "epoch_updates": max(1, batch_count(len(counted_rows(dataset, "train")), config.train.batch_size)),
        **settings.own(),
    }


def build_model(config: RunConfig, dataset: ClickDataset, device: str | Ops) -> Model:
    """The backbone at its initial values."""
    own = config.model
    return make_model(own.kind, dataset.fields, own.dim, seed=config.train.seed, device=device, **own.own())


def rates(config: RunConfig, epoch: int, history: Sequence[EpochRecord] = ()) -> dict[str, float]:
    """Learning rates of table, dense part and (where learned) step size or clip in an epoch, counted from 1.

    `history` has the epochs before, which the schedule ``plateau`` reads; warm-up and cosine are left out, they change
    from step to step (`schedule.Ramp`).
    """
    base = {"table": config.table.lr, "dense": config.model.lr}
    for name, setting in (("step", "step_lr"), ("clip", "clip_lr")):
        if setting in config.table.entry.settings:
            base[name] = getattr(config.table, setting)
    factor = config.train.decay_factor ** decays(config.train, epoch, history)
    return {name: float(lr * factor) for name, lr in base.items()}


def snapshot(table: EmbeddingTable, model: Model) -> State:
    """A copy of everything the two hold, as one flat dict: ``table/...`` and ``model/...`` (their `state` copies)."""
    state: State = {f"table/{name}": array for name, array in table.state().items()}
    return state | {f"model/{name}": array for name, array in model.state().items()}


def restore(state: State, table: EmbeddingTable, model: Model) -> None:
    """Put a `snapshot` back."""
    parts = split_state(state, ("table", "model"))
    table.load_state(parts["table"])
    model.load_state(parts["model"])


def served(state: State) -> State:
    """The part of a state that `restore` takes: table and model, without the dense optimiser."""
    return {name: array for name, array in state.items() if name.startswith(("table/", "model/"))}


def split_state(state: State, names: tuple[str, ...]) -> dict[str, State]:
    """``{"table/packed": ...}`` -> ``{"table": {"packed": ...}}`` for exactly these parts, or `InputError`."""
    parts: dict[str, State] = {name: {} for name in names}
    for name, array in state.items():
        part, _, key = name.partition("/")
        if part not in parts:
            raise InputError(f"state must hold arrays of {', '.join(names)} only, got {name!r}")
        parts[part][key] = array
    return parts
