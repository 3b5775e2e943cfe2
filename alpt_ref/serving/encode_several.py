"""The encoder where fields hold several values; exports then have it behind the plain one in their ``encode.py``."""

from __future__ import annotations

from typing import Any

from alpt_ref.serving.encode import Encoder


# --- in exports from here on
class SeveralEncoder(Encoder):
    """Ids of all places, and what each counts: `encode(row)`."""

    def encode(self, row: Any) -> tuple[list[int], list[float]]:
        """Ids and what each counts, a field after the other in as many places as it has; an empty place counts 0."""
        ids: list[int] = []
        values: list[float] = []
        for (field, _, _), (known, value) in zip(self.fields, self.several(row), strict=True):
            empty = field["slots"] - len(known)
            if empty < 0:
                raise ValueError(f"column {field['column']}: {len(known)} values for {field['slots']} places")
            ids += known + [field["first_id"]] * empty
            values += [value] * len(known) + [0.0] * empty
        return ids, values

    def several(self, row: Any) -> list[tuple[list[int], float]]:
        """Of each field the ids of its values, and what each of them counts."""
        found = []
        for field, index, edges in self.fields:
            texts = [self.category(field, edges, value) for value in self.parts(field, row[field["column"]])]
            texts = [text for text in texts if text or field["kind"] != "multi"]  # a missing value is left out
            if len(texts) > field["max_values"]:
                raise ValueError(f"{len(texts)} values, the schema allows {field['max_values']}")
            share = 1 / len(texts) if texts and field["pooling"] == "mean" else 1.0
            found.append(([index.get(text, field["first_id"]) for text in texts], share))
        return found

    def parts(self, field: Any, value: Any) -> Any:
        """The values of a cell."""
        if field["kind"] != "multi":
            return [value]
        if isinstance(value, (str, bytes)):
            return (value.decode() if isinstance(value, bytes) else value).split(field["separator"])
        if hasattr(value, "keys"):
            raise ValueError(f"{value!r:.60} is a mapping; give a list of values")
        return [value] if value is None or not hasattr(value, "__len__") else value
