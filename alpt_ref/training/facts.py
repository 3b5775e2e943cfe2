"""What a checkpoint says of its run beside position and history: shape of the table, dataset, versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alpt_ref.training.config import RunConfig, code_of
from alpt_ref.training.engine import Engine
from alpt_ref.training.versions import versions

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.training.init_from import Start


def facts(config: RunConfig, dataset: ClickDataset, engine: Engine, start: Start | None) -> dict[str, Any]:
    """JSON values of ``Checkpoint.meta`` that are the same at every step of a run."""
    table = engine.table
    files, parts = dataset.manifest["files"], ("category_bytes", "category_offsets")
    encoded = dataset.vocabulary is not None
    meta: dict[str, Any] = {
        "n": table.n,
        "d": table.d,
        "fields": dataset.fields,
        "field_names": list(dataset.field_names),
        "field_sizes": [int(size) for size in dataset.field_sizes],
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "info": dataset.info,
        "encoder": {name: files[f"{name}.npy"]["sha256"] for name in parts} if encoded else None,
        "device": engine.device,
        "versions": versions(),
    }
    if start is not None:
        meta["init_from"] = start.record
    if code := code_of(config):
        meta["code"] = code
    if dataset.values is not None:  # ids are looked up times a value, several a field
        meta["slots"] = list(dataset.slots_of_fields)
    return meta
