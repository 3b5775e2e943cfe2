"""FuxiCTR's side: its DCN on one split that `splits` wrote, in an environment that has FuxiCTR and not this package.

The wheel of FuxiCTR holds layers and training, not the single-task DCN; that stands in the model zoo of its
repository. `Dcn` is the same network from the same layers: `FeatureEmbedding`, `CrossNet` and `MLP_Block` on the
concatenated embeddings, one linear output on both. Vocabulary, ids, loader, optimiser, schedule, early stopping
and metrics are FuxiCTR's own, at their defaults where the command line does not say otherwise. Its loader of NumPy
files is taken, which starts no Ray: less time an epoch, the same rows.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

SETTINGS: dict[str, Any] = {
    "embedding_dim": 16,
    "num_cross_layers": 3,
    "dnn_hidden_units": [256, 128, 64],
    "batch_norm": True,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "loss": "binary_crossentropy",
    "batch_size": 1024,
    "epochs": 100,
    "early_stop_patience": 2,
    "monitor": "AUC",
    "monitor_mode": "max",
    "metrics": ["AUC", "logloss"],
    "embedding_regularizer": None,
    "net_regularizer": None,
    "max_gradient_norm": 10.0,
    "embedding_std": 1e-4,
}
"""The settings of both sides; what is not here is FuxiCTR's default (the plateau schedule, categories from one
row on). The last two are its defaults, written out because they are varied."""


def dcn_class() -> Any:
    """The network and the time of its epochs, as a class; imports PyTorch and FuxiCTR."""
    import torch
    from fuxictr.pytorch.layers import CrossNet, FeatureEmbedding, MLP_Block
    from fuxictr.pytorch.models import BaseModel

    class Dcn(BaseModel):  # type: ignore[misc]
        def __init__(self, feature_map: Any, **settings: Any) -> None:
            super().__init__(feature_map, model_id="DCN", gpu=-1, **settings)
            inputs, hidden = feature_map.sum_emb_out_dim(), settings["dnn_hidden_units"]
            law = f"partial(nn.init.normal_, std={settings['embedding_std']})"
            self.embedding_layer = FeatureEmbedding(feature_map, settings["embedding_dim"], embedding_initializer=law)
            self.dnn = MLP_Block(inputs, hidden_units=hidden, batch_norm=settings["batch_norm"])
            self.crossnet = CrossNet(inputs, settings["num_cross_layers"])
            self.fc = torch.nn.Linear(inputs + hidden[-1], 1)
            self.compile(settings["optimizer"], settings["loss"], settings["learning_rate"])
            self.reset_parameters()
            self.history: list[dict[str, float]] = []

        def forward(self, inputs: Any) -> dict[str, Any]:
            x = self.embedding_layer(self.get_inputs(inputs), flatten_emb=True)
            both = torch.cat([self.crossnet(x), self.dnn(x)], dim=-1)
            return {"y_pred": self.output_activation(self.fc(both))}

        def train_epoch(self, data_generator: Any) -> None:
            started, cpu = time.perf_counter(), time.process_time()
            super().train_epoch(data_generator)  # its validation included
            self.history[-1] |= {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}

        def checkpoint_and_earlystop(self, logs: dict[str, float], min_delta: float = 1e-6) -> None:
            rate = self.optimizer.param_groups[0]["lr"]
            self.history.append({"lr": rate, **{name.lower(): float(value) for name, value in logs.items()}})
            super().checkpoint_and_earlystop(logs, min_delta)

    return Dcn


def encode(folder: Path, work: Path, settings: dict[str, Any]) -> tuple[Any, dict[str, str]]:
    """FuxiCTR's feature map and its NumPy files of the three parts: vocabulary of the training part, by its code."""
    import numpy as np
    import polars as pl
    from fuxictr.features import FeatureMap
    from fuxictr.preprocess import FeatureProcessor

    names = (folder / "train.csv").read_text().partition("\n")[0].split(",")
    columns = [{"name": name, "active": True, "dtype": "str", "type": "categorical"} for name in names[1:]]
    label = {"name": names[0], "dtype": "float"}
    encoder = FeatureProcessor(feature_cols=columns, label_col=label, dataset_id=folder.name, data_root=str(work))
    types = {names[0]: pl.Float64, **dict.fromkeys(names[1:], pl.String)}
    parts = {
        part: encoder.preprocess(pl.scan_csv(folder / f"{part}.csv", schema_overrides=types))
        for part in ("train", "valid", "test")
    }
    encoder.fit(parts["train"], rebuild_dataset=True)
    files = {}
    for part, frame in parts.items():
        table = frame.collect()
        columns_of = encoder.transform({name: table[name].to_numpy() for name in table.columns})
        files[part] = str(work / folder.name / f"{part}.npz")
        arrays: dict[str, Any] = {name: np.asarray(values) for name, values in columns_of.items()}
        np.savez(files[part], **arrays)
    features = FeatureMap(folder.name, str(work / folder.name))
    features.load(str(work / folder.name / "feature_map.json"), settings)
    return features, files


def measure(features: Any, files: dict[str, str], work: Path, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Train on one split and test the best epoch's weights."""
    from importlib.metadata import version

    import numpy as np
    from fuxictr.pytorch.dataloaders import RankDataLoader
    from fuxictr.pytorch.torch_utils import seed_everything

    (work / "models" / features.dataset_id).mkdir(parents=True, exist_ok=True)
    seed_everything(seed)
    loaders = RankDataLoader(
        features, train_data=files["train"], valid_data=files["valid"], test_data=files["test"],
        batch_size=settings["batch_size"], data_format="npz", num_workers=0,
    )  # fmt: skip
    model = dcn_class()(features, **settings, verbose=0, model_root=str(work / "models"))
    fit = {name: settings[name] for name in ("epochs", "max_gradient_norm")}
    model.fit(loaders[0], validation_data=loaders[1], **fit)
    valid, test = (model.evaluate(loader) for loader in loaders[1:])
    return {
        "seed": seed,
        "valid_auc": float(valid["AUC"]),
        "valid_logloss": float(valid["logloss"]),
        "test_auc": float(test["AUC"]),
        "test_logloss": float(test["logloss"]),
        "epochs": len(model.history),
        "seconds_an_epoch": float(np.mean([one["seconds"] for one in model.history])),
        "cpu_seconds_an_epoch": float(np.mean([one["cpu_seconds"] for one in model.history])),
        "settings": settings,
        "versions": {"python": sys.version.split()[0], **{one: version(one) for one in ("fuxictr", "torch", "numpy")}},
    }


def main() -> int:
    """Every split of a folder in, a JSON file for each run out; nothing to do where that is there."""
    parser = argparse.ArgumentParser(description="Train FuxiCTR's DCN on splits.")
    parser.add_argument("splits", type=Path, help="folder of split0, split1, … with train.csv, valid.csv and test.csv")
    parser.add_argument("output", type=Path, help="folder of the runs' JSON files")
    parser.add_argument("--work", type=Path, required=True, help="folder for FuxiCTR's own files")
    parser.add_argument("--name", default="FuxiCTR", help="what the runs are called")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each split, seeds split, split + 100, …")
    parser.add_argument("--first", type=int, default=0, help="begin with this split")
    parser.add_argument("--count", type=int, default=10, help="number of splits")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--set", default="{}", help="settings to change, as JSON")
    given = parser.parse_args()
    import torch

    torch.set_num_threads(given.threads)
    settings = {**SETTINGS, **json.loads(given.set)}
    given.output.mkdir(parents=True, exist_ok=True)
    for split in range(given.first, given.first + given.count):
        prepared, seconds = None, 0.0
        for seed in (split + 100 * run for run in range(given.seeds)):
            to = given.output / f"{given.name.replace(' ', '_').replace(',', '')}.{split}.{seed}.json"
            if to.exists():
                continue
            if prepared is None:
                started = time.perf_counter()
                prepared = encode(given.splits / f"split{split}", given.work, settings)
                seconds = time.perf_counter() - started
            found = measure(*prepared, given.work, seed, settings)
            found = {"variant": given.name, "split": split, "preparation_seconds": seconds, **found}
            part = to.with_suffix(".part")
            part.write_text(json.dumps(found) + "\n")
            part.replace(to)
            print(
                f"{given.name}, split {split}: test AUC {found['test_auc']:.4f}, {found['epochs']} epochs", flush=True
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
