"""The section ``[data]`` of a run: where the rows come from, how raw ones are encoded and split."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from alpt_ref._util.parts import BUILT_IN_SOURCES, find, unknown
from alpt_ref._util.settings import NAME, NOT_NEGATIVE, Rule, Settings, choice, optional, whole
from alpt_ref.catalog import FORMATS
from alpt_ref.errors import InputError

PATH = Rule("text, or a list of texts", lambda value: isinstance(value, str) or len(value) > 0)
FILES = Rule("text, or a list of texts", lambda value: True)
SHARE = Rule("a share from 0 to 1", lambda value: 0 <= value <= 1)
INSIDE = Rule("a number above 0 and below 1", lambda value: 0 < value < 1)
FOLDS = Rule("0 (random splits) or a whole number of at least 3", lambda value: value == 0 or value >= 3)
SHARES = Rule(
    "three whole numbers of at least 0, the first at least 1, such as [8, 1, 1]",
    lambda value: value[0] >= 1 and min(value) >= 0 and sum(value) < 2**31,
)
USUAL_SHARES = (8, 1, 1)


class DataConfig(Settings, frozen=True):
    """Where the rows come from and how raw ones are encoded.

    `source` is synthetic, store, a dataset, files (read as `schema` says) or a text format: a built-in one, the name
    of an installed one, or ``module:Class``. Raw rows come from `path`, or from `train`, `valid` and `test`, which are
    the split then; without `valid` it is cut from the training rows. `rows` to `positive_rate` shape the synthetic
    set; `on_bad_row`, `min_count` (none: the schema's or format's own) and `vocabulary` the encoding of raw files;
    `seed` draws the synthetic set or the split. `split`, `shares` and `stratify` say how raw rows are split; with
    `folds` (0: none) they are cut into as many parts, the same for every seed: part ``seed % folds`` tests, the next
    validates.
    """

    prefix: ClassVar[str] = "data."

    source: Annotated[str, NAME, "synthetic, store, files, a dataset's or a text format's name."] = "synthetic"
    path: Annotated[
        str | tuple[str, ...], PATH, "Folder of a store; or file, folder or pattern of raw files, one or several."
    ] = ""
    schema: Annotated[
        str | None, optional(NAME), "For files: criteo, avazu or a TOML file that says which column is what."
    ] = None
    train: Annotated[str | tuple[str, ...], FILES, "Raw files with the training rows, in place of path."] = ()
    valid: Annotated[
        str | tuple[str, ...], FILES, "Raw files with the validation rows; none: cut from the training rows."
    ] = ()
    test: Annotated[str | tuple[str, ...], FILES, "Raw files with the test rows."] = ()
    split: Annotated[
        str,
        choice("random", "time", "order"),
        "How raw rows are split: at random, by the schema's time or by their order, the last ones for the test.",
    ] = "random"
    shares: Annotated[tuple[int, int, int], SHARES, "Shares of training, validation and test part."] = USUAL_SHARES
    stratify: Annotated[bool, "Random splits and folds: each part has the same share of clicks."] = False
    on_bad_row: Annotated[
        Literal["error", "skip"], choice("error", "skip"), "Stop at a malformed row of a raw file, or leave it out."
    ] = "error"
    max_bad_rows: Annotated[float, SHARE, "Largest share of malformed rows that on_bad_row = skip leaves out."] = 0.1
    min_count: Annotated[
        int | None,
        optional(whole(1)),
        "Rarer categories share their field's out-of-vocabulary id; none: the schema's or format's own number.",
    ] = None
    vocabulary: Annotated[str, choice("train", "all"), "Rows whose category counts decide."] = "train"
    seed: Annotated[int, whole(0), "Draws the synthetic set, or the split."] = 0
    folds: Annotated[int, FOLDS, "Parts of a cross-validation; 0: random splits."] = 0
    rows: Annotated[int, whole(10), "Synthetic: impressions."] = 100_000
    fields: Annotated[int, whole(1), "Synthetic: categorical fields."] = 10
    features: Annotated[int, whole(1), "Synthetic: table rows of all fields."] = 10_000
    exponent: Annotated[float, NOT_NEGATIVE, "Synthetic: Zipf exponent."] = 1.1
    rank: Annotated[int, whole(1), "Synthetic: factors of the true model."] = 4
    linear_std: Annotated[float, NOT_NEGATIVE, "Synthetic: standard deviation of the linear term."] = 1.0
    interaction_std: Annotated[float, NOT_NEGATIVE, "Synthetic: standard deviation of the pairwise term."] = 0.9
    positive_rate: Annotated[float, INSIDE, "Synthetic: share of clicks."] = 0.25

    def __post_init__(self) -> None:
        """Check every field, that the source exists, and that what says how raw rows are split fits together."""
        super().__post_init__()
        if self.source not in BUILT_IN_SOURCES:
            if not isinstance(self.source, str):
                raise unknown("format", self.source, "data.source")
            kind = "format" if self.path or self.train else "dataset"
            find(kind, self.source, "data.source", also=BUILT_IN_SOURCES)
        self._check_parts()
        self._check_split()

    def _check_parts(self) -> None:
        if not (self.train or self.valid or self.test):
            return
        for name in ("train", "test"):
            if not getattr(self, name):
                raise InputError(
                    f"data.{name} must name the files of the {name} part, for those of another part are named; give "
                    "--train and --test, and --valid where there is one"
                )
        if self.path:
            raise InputError("data.path and data.train are two sources of rows; name the files of one of them")
        if self.folds:
            raise InputError(f"data.folds must be 0 where the files are the split (data.train), got {self.folds}")
        if self.split != "random":
            raise InputError(
                f"data.split must be left out where the files are the split (data.train), got {self.split!r}"
            )

    def _check_split(self) -> None:
        if self.folds and self.split != "random":
            raise InputError(f"data.split {self.split!r} and data.folds {self.folds} are two splits; leave one out")
        if self.folds and self.shares != USUAL_SHARES:
            raise InputError(f"data.shares must be left out with data.folds, which set them, got {list(self.shares)}")
        if self.stratify and self.split != "random":
            raise InputError(f"data.stratify is about random splits and folds, not data.split {self.split!r}")

    @property
    def store(self) -> str | None:
        """The folder of the encoded store that is read, if one is."""
        return str(self.path) if self.source == "store" else None

    @property
    def is_format(self) -> bool:
        """Whether the source is raw files, which are parsed and encoded."""
        raw = bool(self.path or self.train)
        return self.source in (*FORMATS, "files") or (self.source not in BUILT_IN_SOURCES and raw)

    @property
    def seeded(self) -> bool:
        """Whether the split depends on `seed`."""
        return self.source != "store" and self.split == "random" and not (self.train and self.valid)
