"""Interface of the click models: embeddings in, logits out, and a hand-written backward.

A model owns its dense parameters only; the embedding table is separate (`alpt_ref.tables`), because its update is
the method under study. One training step calls ``forward``, the loss and ``backward``; the second pass of ALPT
calls ``forward(training=True, update_stats=False)`` and ``backward(params=False)``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.check import whole_number
from alpt_ref.errors import InputError
from alpt_ref.models.ops import Array, Ops, make_ops
from alpt_ref.models.options import PlainOptions


class Model(ABC):
    """A click model on ``fields`` embeddings of width ``dim`` per sample (or of the width that `table_dim` returns).

    A backbone is a subclass with `_forward` and `_backward`. Its settings are the fields of `Options`, and arrive as
    keywords of ``__init__(self, fields, dim, *, seed, dtype, device, **settings)``.
    `alpt_ref.testing.check_model` tests what is promised here.

    Arrays that `forward` and `backward` return are buffers of the model: valid until its next call of either.

    Attributes
    ----------
    width : int
        Columns of the embedding table that the model reads.
    params, grads : dict of arrays
        The same names and shapes; `backward` overwrites the arrays of `grads` in place.
    buffers : dict of arrays
        State that is not trained (running statistics of batch norm).
    kind : str
        Name in messages; default the class's name.
    Options : type of msgspec.Struct
        The backbone's settings: a field for each, with default, rule and description (`alpt_ref._util.settings`).
    reads_activations : bool
        Whether embeddings go into nothing but operations of `Ops` that take the dtype of activations, so that they may
        come in it (on a GPU, in bfloat16). Said by every class for itself, not inherited.

    Examples
    --------
    >>> from alpt_ref import make_model
    >>> class SumOfAll(Model):
    ...     def __init__(self, fields, dim, *, seed, dtype, device):
    ...         super().__init__(fields, dim, dtype=dtype, device=device)
    ...
    ...     def _forward(self, x, logits, training, update_stats):
    ...         logits[...] = x.sum(axis=1)
    ...
    ...     def _backward(self, x, dlogits, demb, params):
    ...         demb[...] = dlogits[:, None]
    >>> model = make_model(SumOfAll, fields=2, dim=3)
    >>> model.forward(np.ones((4, 6), np.float32), training=False).tolist()
    [6.0, 6.0, 6.0, 6.0]
    """

    kind: ClassVar[str] = ""
    Options: ClassVar[type[msgspec.Struct]] = PlainOptions
    reads_activations: ClassVar[bool] = False

    def __init_subclass__(cls, **keywords: Any) -> None:
        """A backbone without a name has its class's."""
        super().__init_subclass__(**keywords)
        cls.reads_activations = cls.__dict__.get("reads_activations", False)
        cls.kind = cls.kind or cls.__name__

    def __init__(self, fields: int, dim: int, *, dtype: Any, device: str | Ops) -> None:
        self.fields, self.dim = whole_number("fields", fields, 1), whole_number("dim", dim, 1)
        self.width = self.table_dim(self.dim)
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.ops = make_ops(device, self.dtype)
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}
        self.buffers: dict[str, Array] = {}
        self._input: Array | None = None  # of the last training forward; backward consumes it

    @classmethod
    def table_dim(cls, dim: int) -> int:
        """Columns that the embedding table of a model with this `dim` must have."""
        return dim

    def forward(self, emb: Array, *, training: bool, update_stats: bool = True) -> Array:
        """Logits of a batch.

        Parameters
        ----------
        emb : array (b, fields * width) or (b, fields, width)
            C-contiguous, of the model's dtype. Until `backward` has run it must not change.
        training : bool
            Use the batch's own statistics in batch norm and keep what `backward` needs.
        update_stats : bool
            With ``training``, also update the running statistics.

        Returns
        -------
        array (b,)
            Logits, valid until the next call.

        Raises
        ------
        InputError
            If the shape, dtype or memory layout does not fit.
        """
        x = self._checked(emb)
        self._input = None
        logits: Array = self.ops.scratch.take("logits", (len(x),))
        self._forward(x, logits, training, training and update_stats)
        self._input = x if training else None
        return logits

    def backward(self, dlogits: Array, *, params: bool = True) -> Array:
        """Gradients of the last training forward.

        Parameters
        ----------
        dlogits : array (b,)
            Gradient of the loss by the logits.
        params : bool
            Fill `grads`; without it only the gradient of the embeddings is computed (a third less work).

        Returns
        -------
        array (b, fields, width)
            Gradient of the embeddings in their dtype, valid until the next call.

        Raises
        ------
        InputError
            Without a preceding ``forward(training=True)``, or for a wrong shape or dtype.
        """
        x = self._input
        if x is None:
            raise InputError("backward needs a forward(..., training=True) before it, one for each call")
        if dlogits.shape != (len(x),) or dlogits.dtype != self.dtype:
            raise InputError(f"dlogits must be {self.dtype} {(len(x),)}, got {dlogits.dtype} {dlogits.shape}")
        self._input = None
        demb = self.ops.scratch.take("demb", x.shape, self.ops.input_gradient_dtype(x.dtype))
        self._backward(x, self.ops.contiguous(dlogits), demb, params)
        shaped: Array = demb.reshape(len(x), self.fields, self.width)
        return shaped

    @abstractmethod
    def _forward(self, x: Array, logits: Array, training: bool, update_stats: bool) -> None:
        """Write the logits (b,) of x (b, fields * width)."""

    @abstractmethod
    def _backward(self, x: Array, dlogits: Array, demb: Array, params: bool) -> None:
        """Write the gradient of x into `demb` and, with ``params``, the arrays of `grads`."""

    @property
    def input_dtype(self) -> np.dtype[Any]:
        """dtype in which embeddings cost least; the model's own is taken as well."""
        return self.ops.activation if self.reads_activations else self.dtype

    def _checked(self, emb: Array) -> Array:
        shapes = (emb.shape[1:] == (self.fields, self.width), emb.shape[1:] == (self.fields * self.width,))
        if not any(shapes) or len(emb) < self.ops.least_rows:
            raise InputError(
                f"emb must have shape (b, {self.fields * self.width}) or (b, {self.fields}, {self.width}) with b >= 1, "
                f"got {emb.shape}"
            )
        if emb.dtype not in (self.dtype, self.input_dtype) or not emb.flags.c_contiguous:
            layout = "C-contiguous" if emb.flags.c_contiguous else "strided"
            raise InputError(f"emb must be a C-contiguous {self.dtype} array, got a {layout} {emb.dtype} array")
        return emb.reshape(len(emb), self.fields * self.width)

    @property
    def parameter_count(self) -> int:
        """Number of trained dense parameters."""
        return sum(math.prod(param.shape) for param in self.params.values())

    def state(self) -> dict[str, NDArray[Any]]:
        """A copy of parameters and buffers by name."""
        return {name: self.ops.to_host(array) for name, array in (self.params | self.buffers).items()}

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Set parameters and buffers in place from `state`.

        Raises
        ------
        InputError
            If a name is missing or unknown or a shape or dtype differs; nothing has been changed then.
        """
        own = self.params | self.buffers
        if own.keys() != state.keys():
            raise InputError(f"state of a {self.kind} model must name {sorted(own)}, got {sorted(state)}")
        for name, array in own.items():
            if state[name].shape != array.shape or state[name].dtype != array.dtype:
                raise InputError(
                    f"{name} must be {array.dtype} {array.shape}, got {state[name].dtype} {state[name].shape}"
                )
        for name, array in own.items():
            array[...] = self.ops.from_host(state[name])
        self._input = None
