"""Results of a run: one record per epoch, and the result.

Everything in a record except `timing` is a function of configuration and data alone: two runs with the same seed agree
in it bit for bit. `timing` is wall-clock time and differs every time, hence its own place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import msgspec

from alpt_ref._util.files import read_json, write_json, write_text
from alpt_ref._util.looks import GUIDE, look
from alpt_ref._util.notebook import html_table
from alpt_ref._util.plotting import HOUSE, figure_style, new_figure
from alpt_ref._util.sealed import digest_of
from alpt_ref.errors import InputError
from alpt_ref.training.quality import Quality
from alpt_ref.training.versions import versions

if TYPE_CHECKING:
    from alpt_ref.models.base import Model
    from alpt_ref.tables.base import EmbeddingTable
else:
    EmbeddingTable = Model = Any  # msgspec reads the annotations, and a stored result has neither


class EpochRecord(msgspec.Struct, frozen=True):
    """One epoch: learning rates of its last step, mean training logloss, validation metrics, table statistics, timing.

    `valid_ne` to `valid_gauc` are the further metrics of `quality.Quality`, None where there is no such number, as in
    records of release 0.2. `table` holds the shares and counts of ``table.statistics()`` since the epoch began;
    `timing` holds ``seconds`` (training), ``evaluation_seconds`` and ``samples_per_s``.
    """

    epoch: int
    lr: dict[str, float]
    train_loss: float
    valid_auc: float
    valid_logloss: float
    table: dict[str, float]
    timing: dict[str, float]
    valid_ne: float | None = None
    valid_calibration: float | None = None
    valid_ece: float | None = None
    valid_gauc: float | None = None

    def __repr__(self) -> str:
        """One line: validation and training loss."""
        return (
            f"EpochRecord(epoch {self.epoch}: train loss {self.train_loss:.5f}, valid AUC {self.valid_auc:.5f}, "
            f"valid logloss {self.valid_logloss:.5f})"
        )

    def reproducible(self) -> dict[str, Any]:
        """The record without `timing`."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        del plain["timing"]
        return plain


def write_history(path: str | Path, history: Iterable[EpochRecord]) -> None:
    """Write records as JSON lines, atomically."""
    write_text(path, "".join(msgspec.json.encode(record).decode() + "\n" for record in history))


@dataclass(frozen=True, kw_only=True, repr=False)
class RunResult:
    """What one training run measured, with the trained table and model.

    Metrics are those of the state after epoch `tested_epoch`: the one with the best validation AUC (or logloss, as
    ``train.monitor`` says), or the last if the
    configuration says so. `test_ne` to `test_gauc` are normalised entropy, calibration ratio, expected calibration
    error and grouped AUC (with ``train.group``: over `test_groups` groups, `test_left_out` of one label left out), None
    in results of release 0.2. Bytes are counted from the table's arrays: `training_bytes` with optimiser state,
    `serving_bytes` without. `samples_per_s` is the median over epochs of training samples per second. `table` and
    `model` are those of `train`; a result that was read from a file has None in their place.

    Examples
    --------
    >>> from alpt_ref import RunConfig, synthetic_clicks, train
    >>> config = RunConfig().replace("model", dim=4, hidden=(8,)).replace("train", epochs=1, batch_size=200)
    >>> result = train(config, synthetic_clicks(rows=2000, fields=3, features=100, seed=1))
    >>> type(result).__name__, result.label, result.bits, result.tested_epoch
    ('RunResult', 'alpt-sr', 8, 1)
    >>> 0.0 < result.test_auc < 1.0, result.table.lookup([0]).shape
    (True, (1, 4))
    """

    label: str
    bits: int | None
    seed: int
    config_hash: str
    dataset: str
    fingerprint: str
    tested_epoch: int
    valid_auc: float
    valid_logloss: float
    test_auc: float
    test_logloss: float
    training_bytes: int
    serving_bytes: int
    samples_per_s: float
    history: tuple[EpochRecord, ...]
    test_ne: float | None = None
    test_calibration: float | None = None
    test_ece: float | None = None
    test_gauc: float | None = None
    test_groups: int | None = None
    test_left_out: int | None = None
    table: EmbeddingTable = field(default=None, compare=False)  # type: ignore[assignment]
    model: Model = field(default=None, compare=False)  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Three lines: which run, its test, its bytes and speed."""
        method = self.label if self.bits is None else f"{self.label} {self.bits}-bit"
        return (
            f"RunResult({method}, seed {self.seed}, dataset {self.dataset!r}, state after epoch {self.tested_epoch} of "
            f"{len(self.history)}\n"
            f"  test AUC {self.test_auc:.5f}, test logloss {self.test_logloss:.5f}\n"
            f"  table {self.training_bytes:,} bytes in training, {self.serving_bytes:,} in serving; "
            f"{self.samples_per_s:,.0f} samples/s)"
        )

    def _repr_html_(self) -> str:
        """Epochs and the test, for notebooks."""
        rows = [
            (one.epoch, f"{one.train_loss:.5f}", f"{one.valid_auc:.5f}", f"{one.valid_logloss:.5f}")
            for one in self.history
        ]
        titles = ("epoch", "train loss", "valid AUC", "valid logloss")
        run, *rest = repr(self).removeprefix("RunResult(").removesuffix(")").splitlines()
        return html_table(titles, rows, caption=run, notes=[one.strip() for one in rest])

    def plot(self) -> Any:
        """A matplotlib figure of training and validation logloss, and validation AUC, by epoch."""
        with figure_style(HOUSE):
            figure = new_figure(7.0, 2.6)
            left, right = figure.subplots(1, 2)
            epochs = [one.epoch for one in self.history]
            own = look(self.label)["color"]
            left.plot(epochs, [one.train_loss for one in self.history], "--", color=own, label="training")
            left.plot(epochs, [one.valid_logloss for one in self.history], "o-", color=own, label="validation")
            right.plot(epochs, [one.valid_auc for one in self.history], "o-", color=own, label="validation")
            left.set_ylabel("logloss")
            right.set_ylabel("AUC")
            left.legend()
            for axes in (left, right):
                axes.set_xlabel("epoch")
                axes.axvline(self.tested_epoch, **GUIDE)
                axes.xaxis.get_major_locator().set_params(integer=True)
        return figure

    @property
    def quality(self) -> Quality:
        """The metrics of the test."""
        further = (self.test_ne, self.test_calibration, self.test_ece, self.test_gauc)
        return Quality(self.test_auc, self.test_logloss, *further, self.test_groups, self.test_left_out)

    def as_dict(self) -> dict[str, Any]:
        """The measurements as JSON-able values; table and model are left out."""
        names = [one.name for one in fields(self) if one.name not in ("table", "model")]
        plain: dict[str, Any] = msgspec.to_builtins({name: getattr(self, name) for name in names})
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> RunResult:
        """The inverse of `as_dict`; raises `InputError` where something is missing or of the wrong type."""
        try:
            result: RunResult = msgspec.convert(plain, cls)
        except msgspec.ValidationError as error:
            raise InputError(f"a stored result is damaged ({error}); delete its folder to compute it again") from None
        return result


def samples_per_second(history: Iterable[EpochRecord]) -> float:
    """Median over epochs of the training samples per second."""
    return float(median(record.timing["samples_per_s"] for record in history))


def write_result(path: Path, result: RunResult) -> None:
    """Write ``result.json``: the measurements, the versions that they were made with, and a checksum of both."""
    plain = {**result.as_dict(), "versions": versions()}
    write_json(path, {**plain, "sha256": digest_of(plain)})


def read_result(path: Path) -> RunResult:
    """What `write_result` or release 0.1.0 (without versions and checksum) wrote.

    Raises
    ------
    InputError
        The file was altered, is damaged or lacks something.
    """
    plain = read_json(path) or {}
    if "sha256" in plain:
        checksum = plain.pop("sha256")
        if digest_of(plain) != checksum:
            raise InputError(f"{path} does not have its checksum; delete its folder to compute it again")
    return RunResult.from_dict(plain)
