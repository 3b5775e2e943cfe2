"""`CTRClassifier`: table, backbone and Algorithm 1 as a scikit-learn classifier of categories (extra `sklearn`)."""

from __future__ import annotations

from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alpt_ref._util.check import no_mask, whole_number
from alpt_ref._util.progress import Progress
from alpt_ref._version import install_hint
from alpt_ref.data.formats.columns import Column, ColumnCoder
from alpt_ref.data.formats.frames import columns_of
from alpt_ref.errors import InputError, TrainingError
from alpt_ref.tables.base import EmbeddingTable
from alpt_ref.training.config import RunConfig
from alpt_ref.training.engine import DivergedError
from alpt_ref.training.estimator_input import as_array, known_classes, labels_of
from alpt_ref.training.fit_epochs import choose, is_auto, settled
from alpt_ref.training.fit_weights import WeightedRows, counted, refuse_balanced, row_weights
from alpt_ref.training.learner import Learner, config_of

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils import assert_all_finite, check_array, check_consistent_length, check_random_state, column_or_1d
    from sklearn.utils.multiclass import check_classification_targets, type_of_target
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise InputError(f"CTRClassifier needs scikit-learn 1.6 or later ({error}): {install_hint('sklearn')}") from None


class CTRClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Click-through-rate model with an embedding table of low precision.

    Every column of X is a field of categories: texts, numbers by value, and missing values (None, NaN) as a category
    of their own. A column of numbers with fractions and more than `bins` distinct values is cut into bins of equal
    counts. In `predict` values that were never trained on share the column's out-of-vocabulary row.

    Parameters
    ----------
    method : {"alpt", "lpt", "fp32"} or another table method
        How the table is held: codes with learned or fixed step sizes, or float32.
    bits : {2, 4, 8, 16}
    rounding : {"sr", "dr"}, stochastic or nearest
    model : {"dcn", "dnn", "deepfm", "fm", "logistic"}
    dim : int
        Embedding dimension; for deepfm and fm the number of factors; logistic has no use for it.
    hidden : sequence of int, the widths of the MLP's layers (dcn, dnn, deepfm)
    cross_layers : int, of dcn
    batch_norm : bool or "auto"
        In the MLP; "auto": from 20,000 rows (of the first call) on, below it hurts.
    lr : float
        Learning rate of table (lazy Adam) and dense part (Adam).
    step_lr : float
        Learning rate of the step sizes (alpt).
    weight_decay : float
        Decoupled; of the rows in a batch and of the dense part.
    init_std : float
        Initial embeddings are N(0, init_std²).
    init_step : "lsq" or float
        Initial step size: from the initial embeddings, or a number.
    epochs : int or "auto"
        Passes of `fit`; `partial_fit` makes one. "auto": as many, up to 50, as make the logloss on a held-out share of
        the rows least, then as many from the start on all rows; 5 where fewer than 10 rows of a label would be held
        out; one with `warm_start`.
    validation_fraction : float
        That share.
    batch_size : int
    min_count : int
        Categories seen less often share the out-of-vocabulary row.
    bins : int
    class_weight : dict, "balanced" or None; predictions are click rates with None only
    random_state : int, RandomState or None
        Of weights, batches and stochastic rounding. The same number gives the same model bit for bit, with any number
        of threads.
    warm_start : bool
        `fit` goes on from the former fit: `epochs` more passes over the given rows, as `partial_fit` makes one.
    update_rate : float
        Factor on the learning rates of passes after a `fit` (`partial_fit`, `warm_start`).
    verbose : bool, shows progress on stderr

    Attributes
    ----------
    classes_ : array (2,), ascending; probabilities of the second label are those of a click
    n_features_in_, feature_names_in_, as everywhere in scikit-learn
    table_ : EmbeddingTable
        With `codes`, `step_size` and `nbytes`.
    loss_curve_ : list of float
        Mean training logloss of every pass, in nats.
    validation_curve_ : list of float or None
        Held-out logloss after each pass that was tried; None where nothing was held out.

    Examples
    --------
    >>> from alpt_ref import CTRClassifier
    >>> X = [["phone", "de"], ["phone", "fr"], ["laptop", "de"], ["laptop", None]] * 500
    >>> y = ["click", "click", "none", "none"] * 500
    >>> clf = CTRClassifier(bits=4, random_state=0).fit(X, y)
    >>> clf.predict([["phone", None], ["laptop", "it"]]).tolist()
    ['click', 'none']
    """

    classes_: NDArray[Any]
    loss_curve_: list[float]
    validation_curve_: list[float] | None
    _learner: Learner

    def __init__(
        self, method: str = "alpt", *, bits: int = 8, rounding: str = "sr", model: str = "dcn", dim: int = 16,
        hidden: Any = (64, 32), cross_layers: int = 3, batch_norm: Any = "auto", lr: float = 1e-3,
        step_lr: float = 2e-5, weight_decay: float = 0.0, init_std: float = 0.003, init_step: float | str = "lsq",
        epochs: Any = "auto", validation_fraction: float = 0.1, batch_size: int = 128, min_count: int = 1,
        bins: int = 32, class_weight: Any = None, random_state: Any = None, warm_start: bool = False,
        update_rate: float = 0.3, verbose: bool = False,
    ) -> None:  # fmt: skip
        self.method = method
        self.bits = bits
        self.rounding = rounding
        self.model = model
        self.dim = dim
        self.hidden = hidden
        self.cross_layers = cross_layers
        self.batch_norm = batch_norm
        self.lr = lr
        self.step_lr = step_lr
        self.weight_decay = weight_decay
        self.init_std = init_std
        self.init_step = init_step
        self.epochs = epochs
        self.validation_fraction = validation_fraction
        self.batch_size = batch_size
        self.min_count = min_count
        self.bins = bins
        self.class_weight = class_weight
        self.random_state = random_state
        self.warm_start = warm_start
        self.update_rate = update_rate
        self.verbose = verbose

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Learn vocabulary and model from scratch, or go on from the former fit (`warm_start`).

        Parameters
        ----------
        X : array, list of rows or DataFrame (rows, columns)
        y : array (rows,)
            Labels of two values.
        sample_weight : array (rows,), optional
            Weights in the loss, at least 0; a row of weight 0 is left out, of the vocabulary too.

        Raises
        ------
        InputError
            A setting or a value breaks its rule, or y has not two classes; a former fit stays as it was.
        TrainingError
            A loss or gradient became NaN or infinite.
        """
        again = bool(self.warm_start) and self.__sklearn_is_fitted__()
        columns = self._columns(X, reset=not again)
        rows = counted(columns, self._checked_labels(X, y), sample_weight)
        if again:
            config = self._learner.continued_config(self.get_params(deep=False))
            return self._train(self._learner, rows, self.classes_, config.train.epochs, config)
        classes = np.unique(rows.y)
        if len(classes) != 2:
            raise InputError(f"y must have two classes, got 1 class: {classes.tolist()[0]!r}")
        learner = self._new_learner(rows.columns)
        self._train(learner, rows, classes, None if is_auto(self.epochs) else learner.config.train.epochs)
        learner.fitted = True
        return self

    def partial_fit(
        self, X: Any, y: ArrayLike, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """One more pass over these rows in mini-batches.

        The first call, without a `fit` before, fixes settings and bins. Categories that later ones bring get rows of
        their own where they hold them `min_count` times (not in a table of `method` "hashing"), which costs a copy of
        the table. After a `fit` the learning rates are `update_rate` times what they were, and in a call of fewer rows
        than `batch_size` less in proportion.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`; y may have one label only.
        classes : array (2,)
            The two labels; needed in the first call.

        Raises
        ------
        InputError
            As for `fit`, or a label is not among the classes; nothing has changed.
        TrainingError
            A loss or gradient became NaN or infinite; the estimator is as before its first fit.
        """
        fresh = not self.__sklearn_is_fitted__()
        columns = self._columns(X, reset=fresh)
        rows = counted(columns, self._checked_labels(X, y), sample_weight)
        refuse_balanced(self.class_weight)
        known = known_classes(classes, None if fresh else self.classes_)
        return self._train(self._new_learner(rows.columns) if fresh else self._learner, rows, known, 1)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Logits of the second class, (rows,)."""
        check_is_fitted(self)
        return self._learner.logits(self._columns(X, reset=False))

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities of the two classes, (rows, 2)."""
        logits = self.decision_function(X)
        decay = np.exp(-np.abs(logits))  # never overflows
        large, small = 1.0 / (1.0 + decay), decay / (1.0 + decay)
        click = np.where(logits > 0, large, small)
        return np.column_stack([np.where(logits > 0, small, large), click])

    def predict(self, X: Any) -> NDArray[Any]:
        """The more probable label of each row, (rows,)."""
        logits = self.decision_function(X)
        labels: NDArray[Any] = self.classes_[(logits > 0).astype(np.intp)]
        return labels

    @property
    def table_(self) -> EmbeddingTable:
        """The embedding table."""
        if not self.__sklearn_is_fitted__():
            raise AttributeError("table_ exists after fit")
        table: EmbeddingTable = self._learner.engine.table
        return table

    def __sklearn_is_fitted__(self) -> bool:
        """Whether there is something to predict with."""
        return "_learner" in vars(self)

    def __sklearn_tags__(self) -> Any:
        """Two classes; categories; missing values are fine."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.categorical = True
        tags.input_tags.allow_nan = True
        return tags

    def _checked_labels(self, X: Any, y: Any) -> NDArray[Any]:
        if y is None:
            raise InputError("CTRClassifier requires y to be passed, but the target y is None")
        no_mask("y", y)
        y = column_or_1d(y, warn=True)
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        if kind != "binary":
            raise InputError(f"Only binary classification is supported. The type of the target is {kind}.")
        check_consistent_length(X, y)
        return np.asarray(y)

    def _columns(self, X: Any, *, reset: bool) -> list[Column]:
        """X column by column, after scikit-learn's checks of its shape and of the columns' names."""
        columns = columns_of(X)
        if columns is None:
            array = check_array(as_array(X), dtype=None, ensure_all_finite=False, estimator=self)
            columns = list(array.T)
        else:
            rows = len(columns[0]) if columns else len(X)
            check_array(np.broadcast_to(np.False_, (rows, len(columns))), estimator=self)
        validate_data(self, X, reset=reset, skip_check_array=True)
        return columns

    def _new_learner(self, columns: list[Column]) -> Learner:
        bins, min_count = whole_number("bins", self.bins, 2), whole_number("min_count", self.min_count, 1)
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        config = config_of(settled(self.get_params(deep=False), len(columns[0])), seed)
        names = getattr(self, "feature_names_in_", range(len(columns)))
        named = zip([f"column {name!r} of X" for name in names], columns, strict=True)
        return Learner(config, [ColumnCoder.of(*one, bins=bins, min_count=min_count) for one in named])

    def _train(
        self, learner: Learner, rows: WeightedRows, classes: NDArray[Any], epochs: int | None,
        config: RunConfig | None = None,
    ) -> Self:  # fmt: skip
        """Pass over the rows `epochs` times; with None as often as held-out rows say."""
        labels = labels_of(rows.y, classes)
        weights = row_weights(rows, self.class_weight, classes)
        fresh = learner is not vars(self).get("_learner")
        if not fresh:
            learner = learner.grown(rows.columns, whole_number("min_count", self.min_count, 1), config)
        dataset = learner.dataset(learner.encode(rows.columns), labels, weights)
        shown = partial(Progress, enabled=bool(self.verbose))
        try:
            passes = choose(learner.afresh, dataset, self.validation_fraction, shown, epochs)
            factor = learner.update_factor(len(rows.y), self.update_rate)
            losses = learner.train(dataset, passes.number, shown(), factor)
        except DivergedError as error:
            if not fresh:
                del self._learner
            raise TrainingError(f"training diverged at step {error.step}: {error.__cause__}; lower lr") from None
        self._learner, self.classes_ = learner, classes
        self.loss_curve_ = losses if fresh else self.loss_curve_ + losses
        if fresh:
            self.validation_curve_ = passes.curve
        return self
