"""`ClickDataset`: encoded clicks, one row an impression, one global feature id a field.

The embedding table has ``n = sum(field_sizes)`` rows. Field ``f`` owns ``field_offsets[f] .. field_offsets[f+1]-1``;
the first of them (local id 0) is the field's out-of-vocabulary id.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.files import path_of
from alpt_ref.data.contents import check_contents, require_array
from alpt_ref.data.fields import PARTS, Part, check_fields, offsets_of
from alpt_ref.data.store import reader as store
from alpt_ref.data.store import writer as store_writer
from alpt_ref.errors import InputError

if TYPE_CHECKING:
    from alpt_ref.data.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False, repr=False)
class ClickDataset:
    """Encoded clicks in RAM or memory-mapped from a store.

    Parameters
    ----------
    name : str
        For reports.
    ids : uint32 array (rows, fields)
        Global feature ids, ``field_offsets[f] + local id``; with `slots`, (rows, sum(slots)).
    labels : uint8 array (rows,)
        0 or 1.
    split : uint8 array (rows,)
        0 train, 1 valid, 2 test; ``dataclasses.replace(dataset, split=array)`` is the dataset with another split.
    field_names : tuple of str
    field_sizes : tuple of int
        Ids of each field, the out-of-vocabulary id (local 0) included.
    info : dict
        JSON values: source, preprocessing, bad rows; ``bayes_logloss`` and ``bayes_auc`` where they are known.
    vocabulary : Vocabulary, optional
        Encodes new raw rows; synthetic data have none.
    files : mapping, optional
        Manifest entries of the arrays, if they came from a store (saves hashing them again). The entry of an array that
        `dataclasses.replace` exchanged is not used.
    weights : float32 array (rows,), optional
        What each row counts, at least 0; None: 1.
    values : float32 array (rows, slots), optional
        With fields of several values a row, or with numbers beside them: what each id counts in its field's vector, the
        pooling included (mean: factor / number of values; sum: factor); 0 in an empty slot. None: one id a field, which
        counts 1.
    slots : tuple of int, optional
        Columns of `ids` of each field, with `values` only; None: one each.
    version : int, optional
        Of the manifest that the data were read from, which says how the fingerprint is computed; None: by `info`.

    Raises
    ------
    InputError
        A type or shape is wrong; contents are checked by `validate`.

    Examples
    --------
    >>> ids = np.array([[0, 3], [1, 4], [2, 3]], np.uint32)  # three rows of two fields with three and two ids
    >>> labels, split = np.array([1, 0, 1], np.uint8), np.array([0, 0, 2], np.uint8)
    >>> clicks = ClickDataset("made up", ids, labels, split, ("device", "country"), (3, 2))
    >>> clicks
    ClickDataset 'made up': 3 rows, 2 fields, 5 ids (device 3, country 2)
    >>> clicks.rows_of("test").tolist(), clicks.field_offsets.tolist()
    ([2], [0, 3, 5])
    """

    name: str
    ids: NDArray[np.uint32]
    labels: NDArray[np.uint8]
    split: NDArray[np.uint8]
    field_names: tuple[str, ...]
    field_sizes: tuple[int, ...]
    info: dict[str, Any] = field(default_factory=dict)
    vocabulary: Vocabulary | None = None
    files: Mapping[str, Mapping[str, Any]] | None = field(default=None, repr=False)
    weights: NDArray[np.float32] | None = None
    values: NDArray[np.float32] | None = None
    slots: tuple[int, ...] | None = None
    version: int | None = None

    def __post_init__(self) -> None:
        """Check types and shapes (contents are checked by `validate`)."""
        check_fields(self.field_names, self.field_sizes)
        if self.slots is not None:
            self._check_slots(self.slots)
        require_array("ids", self.ids, np.uint32, ("rows", sum(self.slots_of_fields)))
        if len(self.ids) == 0:
            raise InputError("ids must have at least one row, got none")
        require_array("labels", self.labels, np.uint8, (len(self.ids),))
        require_array("split", self.split, np.uint8, (len(self.ids),))
        if self.weights is not None:
            require_array("weights", self.weights, np.float32, (len(self.ids),))
        if self.values is not None:
            require_array("values", self.values, np.float32, self.ids.shape)
        if self.vocabulary is not None and self.vocabulary.field_sizes != self.field_sizes:
            raise InputError("vocabulary must have the dataset's field_sizes")

    def _check_slots(self, slots: tuple[int, ...]) -> None:
        whole = all(isinstance(count, int) and not isinstance(count, bool) and count >= 1 for count in slots)
        if len(slots) != len(self.field_sizes) or not whole:
            raise InputError(f"slots must be {len(self.field_sizes)} whole numbers of at least 1, got {slots!r}")
        if self.values is None:
            raise InputError("slots must come with values, which say what each slot counts; give both or neither")

    def __repr__(self) -> str:
        """One line for a notebook; reads no rows, which may lie on a disk."""
        several = [f" in up to {count} values" if count > 1 else "" for count in self.slots_of_fields]
        fields_of = zip(self.field_names, self.field_sizes, several, strict=True)
        sizes = [f"{name} {size:,}{more}" for name, size, more in fields_of]
        listed = ", ".join(sizes[:8]) + (f", and {len(sizes) - 8} more" if len(sizes) > 8 else "")
        fields = f"{self.fields} field{'' if self.fields == 1 else 's'}"
        weighted = "weighted " if self.weights is not None else ""
        return f"{type(self).__name__} {self.name!r}: {self.rows:,} {weighted}rows, {fields}, {self.n:,} ids ({listed})"

    @property
    def rows(self) -> int:
        """Number of impressions."""
        return len(self.ids)

    @property
    def fields(self) -> int:
        """Number of categorical fields."""
        return len(self.field_sizes)

    @property
    def n(self) -> int:
        """Rows of the embedding table."""
        return sum(self.field_sizes)

    @functools.cached_property
    def field_offsets(self) -> NDArray[np.int64]:
        """First global id of each field, and `n` at the end: int64 array (fields + 1,)."""
        return offsets_of(self.field_sizes)

    @property
    def slots_of_fields(self) -> tuple[int, ...]:
        """Columns of `ids` of each field: `slots`, or one each."""
        return (1,) * len(self.field_sizes) if self.slots is None else self.slots

    def rows_of(self, part: Part) -> NDArray[np.int64]:
        """Ascending row numbers of a part, int64."""
        if part not in PARTS:
            raise InputError(f"part must be train, valid or test, got {part!r}")
        return np.flatnonzero(self.split == PARTS[part])

    def validate(self, *, stored: bool = True) -> None:
        """Check every id, label, split value, weight and value; InputError at the first that breaks its rule.

        With ``stored=False`` arrays that a store holds, where they were checked, are not read again; those that
        `dataclasses.replace` put in their place are.
        """
        arrays = self._arrays()
        held = {} if stored or self.files is None else self.files
        known = self._arrays_of(held)
        changed = {name for name, array in arrays.items() if name not in held or known.get(name) is not array}
        if isinstance(held, store.StoredFiles) and held.fields != (self.field_sizes, self.slots):
            changed.add("ids.npy")
        check_contents(self, changed)

    @functools.cached_property
    def manifest(self) -> dict[str, Any]:
        """The store's manifest (computed, and every array hashed, if the data are in RAM)."""
        held = self.files or {}
        known = self._arrays_of(held)
        files = {
            name: held[name]
            if name in held and known.get(name) is array
            else store_writer.array_entry(array, store.ARRAY_DTYPES[name])
            for name, array in self._arrays().items()
        }
        return store.sealed(self._head(), files)

    def _head(self) -> dict[str, Any]:
        return manifest_head(self.name, self.field_names, self.field_sizes, self.info, self.slots, self.version)

    @property
    def fingerprint(self) -> str:
        """SHA-256 that names the data: the same rows have the same, in RAM or in a store, whichever files held them."""
        return str(self.manifest["fingerprint"])

    def _arrays_of(self, files: Mapping[str, Any]) -> Mapping[str, NDArray[Any]]:
        """The arrays that manifest entries describe; entries that do not say so describe the present ones."""
        return files.arrays if isinstance(files, store.StoredFiles) else self._arrays()

    def _arrays(self) -> dict[str, NDArray[Any]]:
        arrays: dict[str, NDArray[Any]] = {"ids.npy": self.ids, "labels.npy": self.labels, "split.npy": self.split}
        if self.vocabulary is not None:
            arrays["category_bytes.npy"] = self.vocabulary.category_bytes
            arrays["category_offsets.npy"] = self.vocabulary.category_offsets
        if self.weights is not None:
            arrays["weights.npy"] = self.weights
        if self.values is not None:
            arrays["values.npy"] = self.values
        return arrays

    def save(self, folder: str | Path) -> None:
        """Write a store; a folder that already holds the identical store is left as it is.

        Raises
        ------
        InputError
            The folder cannot be written, or holds anything but this very store, or a value breaks its rule.
        """
        folder = path_of(folder, "folder")
        self.validate()
        present = store_writer.check_target(folder)
        if present is not None:
            store_writer.require_same(folder, str(present["fingerprint"]), self.fingerprint)
            return
        with store_writer.StoreWriter(folder) as writer:
            for name, array in self._arrays().items():
                out = writer.array(name, array.shape)
                step = max(1, (1 << 22) // max(1, array[:1].nbytes))
                for start in range(0, len(array), step):
                    with store_writer.writing_to(folder):
                        out.append(array[start : start + step])
            writer.finish(self._head())

    @classmethod
    def open(cls, folder: str | Path, *, verify: bool = False) -> ClickDataset:
        """Map a store read-only.

        Parameters
        ----------
        folder : path
        verify : bool
            Also read everything: SHA-256 of each file, and the range of every id, label and split value.

        Raises
        ------
        InputError
            The folder is no store, or was altered, or has a format version that this release does not know.
        """
        folder = path_of(folder, "folder")
        manifest = store.read_manifest(folder)
        files = manifest["files"]
        if verify:
            store.check_sha256(folder, files)
        arrays = {name: store.open_array(folder, name, entry) for name, entry in files.items()}
        try:
            names = tuple(str(name) for name in manifest["field_names"])
            sizes = tuple(int(size) for size in manifest["field_sizes"])
            info, name = dict(manifest["info"]), str(manifest["name"])
            slots = tuple(int(count) for count in manifest["slots"]) if "slots" in manifest else None
            store.check_info(folder, info)
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{folder / store.MANIFEST} lacks a part; write the store again") from None
        vocabulary = None
        if "category_bytes.npy" in arrays and "category_offsets.npy" in arrays:
            from alpt_ref.data.vocabulary import Vocabulary

            vocabulary = Vocabulary(names, sizes, arrays["category_bytes.npy"], arrays["category_offsets.npy"])
        version = int(manifest["version"])
        dataset = cls(
            name, arrays["ids.npy"], arrays["labels.npy"], arrays["split.npy"], names, sizes, info, vocabulary,
            store.StoredFiles(files, arrays, (sizes, slots)), arrays.get("weights.npy"), arrays.get("values.npy"),
            slots, version,
        )  # fmt: skip
        if verify:
            dataset.validate()
        return dataset


def manifest_head(
    name: str,
    field_names: tuple[str, ...],
    field_sizes: tuple[int, ...],
    info: Mapping[str, Any],
    slots: tuple[int, ...] | None = None,
    version: int | None = None,
) -> dict[str, Any]:
    """The part of a manifest that describes the data rather than the files."""
    return {
        "version": store.version_of(info) if version is None else version,
        "name": name,
        "field_names": list(field_names),
        "field_sizes": [int(size) for size in field_sizes],
        "info": dict(info),
        **({} if slots is None else {"slots": list(slots)}),
    }
