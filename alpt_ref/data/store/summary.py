"""What a dataset holds, as JSON and as text, for ``alpt-ref data info``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.dataset import ClickDataset
from alpt_ref.data.fields import PARTS
from alpt_ref.data.store.reader import OPTIMA


def describe(dataset: ClickDataset) -> dict[str, Any]:
    """Summary of a dataset as JSON values.

    Returns
    -------
    dict
        name, rows, label_rate, fields, n, parts (rows and label rate of train, valid, test; rate None without rows),
        weights (least, mean and most, where rows have some), vocabulary (per field: name and size, out-of-vocabulary id
        included, and most values of a row where these are several), checksums (per file), fingerprint, info.
    """
    parts = {}
    for part, code in PARTS.items():
        labels = dataset.labels[dataset.split == code]
        rate = float(np.mean(labels, dtype=np.float64)) if len(labels) else None
        parts[part] = {"rows": len(labels), "label_rate": rate}
    sizes = zip(dataset.field_names, dataset.field_sizes, dataset.slots_of_fields, strict=True)
    return {
        "name": dataset.name,
        "rows": dataset.rows,
        "label_rate": float(np.mean(dataset.labels, dtype=np.float64)),
        "fields": dataset.fields,
        "n": dataset.n,
        "parts": parts,
        **({} if dataset.weights is None else {"weights": _range(dataset.weights)}),
        "vocabulary": [
            {"field": name, "size": size, **({"slots": slots} if slots > 1 else {})} for name, size, slots in sizes
        ],
        "checksums": {name: entry["sha256"] for name, entry in dataset.manifest["files"].items()},
        "fingerprint": dataset.fingerprint,
        "info": dataset.info,
    }


def _range(weights: NDArray[np.float32]) -> dict[str, float]:
    mean = float(np.mean(weights, dtype=np.float64))
    return {"least": float(weights.min()), "mean": mean, "most": float(weights.max())}


def _origin(source: Mapping[str, Any]) -> str:
    """What held the rows, in words."""
    more = f" and {len(source['files']) - 1} more" if isinstance(source.get("files"), list) else ""
    if "file" in source:
        kind = "" if source.get("kind") == "schema" else f"{source.get('kind')} "
        return f"{kind}file {source['file']}{more}"
    return f"a table in memory ({source['table']})" if "table" in source else f"{source.get('kind')} rows"


def _rule(encoding: Mapping[str, Any]) -> str:
    """How the rows were split, where it is not the usual random split."""
    by = {"files": "as the files were given", "time": "by time", "order": "in the order of the rows"}
    rule = by.get(encoding.get("by", ""), "at random")
    shares = f", shares {':'.join(map(str, encoding['split']))}" if "split" in encoding else ""
    return f"  split {rule}{shares}" + (", each class by itself (stratified)" if encoding.get("stratify") else "")


def describe_text(dataset: ClickDataset) -> str:
    """The same as lines for a terminal."""
    summary = describe(dataset)
    lines = [
        f"{summary['name']}: {summary['rows']:,} rows, {summary['fields']} fields, {summary['n']:,} ids, "
        f"label rate {summary['label_rate']:.4f}"
    ]
    source, encoding = dataset.info.get("source"), dataset.info.get("encoding")
    if isinstance(source, dict) and encoding:
        lines.append(
            f"  from {_origin(source)}, categories with at least "
            f"{encoding.get('min_count')} of the {'training' if encoding.get('vocabulary') == 'train' else 'data'} rows"
        )
    if isinstance(encoding, dict) and "folds" in encoding:
        lines.append(f"  cross-validation: fold {encoding.get('fold')} of {encoding['folds']} is the test part")
    if isinstance(encoding, dict) and (encoding.get("by") or encoding.get("stratify")):
        lines.append(_rule(encoding))
    times = dataset.info.get("time", {})
    for part, figures in summary["parts"].items():
        rate = "" if figures["label_rate"] is None else f", label rate {figures['label_rate']:.4f}"
        span = ", times {} to {}".format(*times[part]) if part in times else ""
        lines.append(f"  {part:<6} {figures['rows']:>12,} rows{rate}{span}")
    bad = dataset.info.get("bad_rows", {})
    if bad.get("count"):
        lines.append(f"  left out {bad['count']:,} bad rows; the first of them:")
        lines += [f"    line {row['line']}: {row['reason']}" for row in bad["examples"][:5]]
    lines += [f"  {key} {dataset.info[key]:.5f}" for key in OPTIMA if key in dataset.info]
    if "weights" in summary:
        lines.append("  weights of the rows: {least:g} to {most:g}, {mean:g} on average".format(**summary["weights"]))
    listed = [
        f"{row['field']} {row['size']:,}" + (f" (up to {row['slots']} values a row)" if "slots" in row else "")
        for row in summary["vocabulary"]
    ]
    lines.append("  ids per field: " + ", ".join(listed))
    lines += [f"  sha256 {digest}  {name}" for name, digest in summary["checksums"].items()]
    lines.append(f"  fingerprint {summary['fingerprint']}")
    return "\n".join(lines)
