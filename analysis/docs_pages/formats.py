"""The reference of file formats: what the modules that write the files say of them."""

from __future__ import annotations

import importlib
import inspect

from .markdown import prose, sections, table

FOLDERS = (
    ("config.toml", "every setting of a run, defaults included"),
    ("history.jsonl", "one JSON record an epoch; all but `timing` is a function of configuration, data and seed"),
    ("result.json", "test metrics, bytes, versions, settings and a checksum"),
    ("state", "the tested state, as a checkpoint"),
    ("checkpoints/step-N", "what `--resume` continues from; the last two"),
)
"""What a run's folder holds."""
PARTS = {
    "Checkpoint and final state": "alpt_ref.training.checkpoint",
    "Records of a run": "alpt_ref.training.results",
    "Store of encoded clicks": "alpt_ref.data.store.reader",
    "Vocabulary": "alpt_ref.data.vocabulary",
    "Packed run": "alpt_ref.serving.packed",
    "Export: folder": "alpt_ref.serving.folder",
    "Export: safetensors": "alpt_ref.serving.safetensors",
    "Export: PyTorch": "alpt_ref.serving.torch",
    "Export: FBGEMM's fused rows": "alpt_ref.serving.fbgemm",
    "Export: FBGEMM's inference operator": "alpt_ref.serving.tbe",
    "Export: ONNX": "alpt_ref.serving.onnx",
    "Export: vocabulary and encoder": "alpt_ref.serving.vocabulary_file",
    "Scores": "alpt_ref.serving.scores_file",
    "Cells of a verification": "alpt_ref.verification.store",
    "Ledger of verdicts": "alpt_ref.verification.ledger",
    "Experiment on a problem": "alpt_ref.studies.experiment_file",
}


def pages() -> dict[str, str]:
    """The page of all formats."""
    parts = [
        "# File formats",
        "Everything is written under a temporary name and renamed, so that a file or folder is whole or absent. "
        "Nothing that is read is ever unpickled. Files of version 0.1 are still read; tests keep some of each kind.",
        "## Folder of a run",
        table(["file", "what it holds"], [[f"`{name}`", text] for name, text in FOLDERS]),
    ]
    for title, module in PARTS.items():
        doc = inspect.getdoc(importlib.import_module(module)) or ""
        parts += [f"## {title}", prose(sections(doc)[""]), f"Written by `{module}`."]
    return {"file-formats.md": "\n\n".join(parts) + "\n"}
