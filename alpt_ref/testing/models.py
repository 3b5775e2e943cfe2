"""Does a backbone keep the promises of `Model`? Each check is one promise, on a small model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.parts import find, name_of
from alpt_ref.errors import InputError
from alpt_ref.kernels.linalg import single_threaded_blas
from alpt_ref.models import Model, make_model
from alpt_ref.models.make import model_class
from alpt_ref.testing.common import Failed, generator, require_raises, require_same, run, same_bits, threads

FIELDS, ROWS = 3, 12
STEPS = (1e-5, 1e-6, 1e-7)
"""Central differences with these steps: a kink of a ReLU lies inside one of them, but not inside all."""
TOLERANCE = 1e-5
"""Relative error of the gradient; a difference with step 1e-6 of a loss near 1 has a rounding error of 1e-10 / 2e-6."""
ROUNDING = 1e-9
"""Relative: one sample computed alone and in a batch, in float64, where sums may be in another order."""
ELEMENTS = 12
"""Elements of an array of which the gradient is compared."""

Array = NDArray[Any]


def check_model(model: str | type[Model], *, dim: int = 4, **settings: Any) -> None:
    """Test what every backbone promises.

    The checks, by the names that a failure has:

    - *forward*: finite logits (b,), the same for both shapes of the embeddings, which stay as they are;
    - *initial weights*: the same seed gives the same bits;
    - *gradients*: those of parameters and embeddings agree with central differences in float64;
    - *data gradients only*: ``backward(params=False)`` gives the same bits for the embeddings and leaves `grads` alone;
    - *statistics*: only ``forward(training=True)`` moves `buffers`, and not with ``update_stats=False``;
    - *evaluation*: the logits of a sample do not depend on the other samples;
    - *threads*: one and two threads give the same bits;
    - *state*: `state` is a copy that `load_state` puts back, in place;
    - *refusals*: a wrong shape, dtype, state or order of calls raises and changes nothing.

    Parameters
    ----------
    model : str or type of Model
        A name or a class, as for `make_model`.
    dim : int
        Of the embeddings (1 for logistic regression).
    **settings
        Of the backbone's `Options`; those left out have their defaults.

    Raises
    ------
    AssertionError
        A promise is not kept; the message names the class and the check.
    InputError
        There is no such backbone.

    Examples
    --------
    >>> check_model("dcn", hidden=(6, 5), cross_layers=2)
    """
    cls = model_class(find("model", name_of(model), "model"))
    checks = _Checks(lambda **more: make_model(model, FIELDS, dim, **{"dtype": np.float64, **settings, **more}))
    checks.make()  # wrong settings are an InputError, not a failed check
    with single_threaded_blas():
        run(cls.__name__, checks.by_name())


class _Checks:
    """The checks of one backbone."""

    def __init__(self, make: Callable[..., Model]) -> None:
        self.make = make

    def by_name(self) -> dict[str, Callable[[], None]]:
        return {
            "forward": self.forward,
            "initial weights": self.initial_weights,
            "gradients": self.gradients,
            "data gradients only": self.data_gradients_only,
            "statistics": self.statistics,
            "evaluation": self.evaluation,
            "threads": self.threads,
            "state": self.state,
            "refusals": self.refusals,
        }

    def random(self, seed: int = 0, **more: Any) -> Model:
        """A model whose parameters are all random: at initial zeros and ones some gradients vanish."""
        model = self.make(seed=seed, **more)
        rng = generator(seed)
        for param in model.params.values():
            param += (0.3 * rng.standard_normal(param.shape)).astype(param.dtype)
        return model

    @staticmethod
    def batch(model: Model, rows: int = ROWS, seed: int = 1) -> tuple[Array, Array]:
        """Embeddings, and a gradient of the logits."""
        rng = generator(seed)
        emb = rng.standard_normal((rows, model.fields * model.width)).astype(model.dtype)
        return emb, rng.standard_normal(rows).astype(model.dtype)

    def forward(self) -> None:
        model = self.random()
        if model.width != type(model).table_dim(model.dim):
            raise Failed(f"width is {model.width}, table_dim({model.dim}) is {type(model).table_dim(model.dim)}")
        for name, param in model.params.items():
            if name not in model.grads or model.grads[name].shape != param.shape:
                raise Failed(f"grads must have an array of the shape of params[{name!r}]")
        emb, dlogits = self.batch(model)
        before = emb.copy()
        logits = model.forward(emb, training=True).copy()
        if logits.shape != (ROWS,) or logits.dtype != model.dtype or not np.isfinite(logits).all():
            raise Failed(f"forward must return finite {model.dtype} ({ROWS},), got {logits.dtype} {logits.shape}")
        demb = model.backward(dlogits)
        if demb.shape != (ROWS, model.fields, model.width):
            raise Failed(f"backward must return ({ROWS}, {model.fields}, {model.width}), got {demb.shape}")
        shaped = model.forward(emb.reshape(ROWS, model.fields, model.width), training=True, update_stats=False)
        if not same_bits(logits, np.array(shaped)):
            raise Failed("embeddings (b, fields, width) and (b, fields * width) give different logits")
        if not same_bits(before, emb):
            raise Failed("forward or backward changed the embeddings")

    def initial_weights(self) -> None:
        require_same("two models of one seed", self.make(seed=3).state(), self.make(seed=3).state())

    def gradients(self) -> None:
        model = self.random()
        emb, dlogits = self.batch(model)
        model.forward(emb, training=True, update_stats=False)
        demb = model.backward(dlogits).reshape(emb.shape).copy()
        grads = {name: grad.copy() for name, grad in model.grads.items()}

        def loss() -> float:
            return float(model.forward(emb, training=True, update_stats=False) @ dlogits)

        for name, array, gradient in (
            *((f"params[{name!r}]", param, grads[name]) for name, param in model.params.items()),
            ("the embeddings", emb, demb),
        ):
            _compare(name, array, gradient, loss)

    def data_gradients_only(self) -> None:
        model = self.random()
        emb, dlogits = self.batch(model)
        model.forward(emb, training=True, update_stats=False)
        both = model.backward(dlogits).copy()
        for grad in model.grads.values():
            grad[...] = 7.0
        model.forward(emb, training=True, update_stats=False)
        if not same_bits(both, np.array(model.backward(dlogits, params=False))):
            raise Failed("backward(params=False) gives another gradient of the embeddings than backward()")
        for name, grad in model.grads.items():
            if not (grad == 7.0).all():
                raise Failed(f"backward(params=False) wrote grads[{name!r}]")

    def statistics(self) -> None:
        model = self.random()
        emb, dlogits = self.batch(model)
        before = model.state()
        model.forward(emb, training=False)
        require_same("forward(training=False) changed the model", before, model.state())
        model.forward(emb, training=True, update_stats=False)
        model.backward(dlogits)
        require_same("forward(update_stats=False) and backward changed the model", before, model.state())
        model.forward(emb, training=True)
        for name, buffer in model.buffers.items():
            if same_bits(before[name], np.array(buffer)):
                raise Failed(f"forward(training=True) did not move buffers[{name!r}]")
        after = model.state()
        require_same(
            "forward(training=True) changed parameters",
            {name: before[name] for name in model.params}, {name: after[name] for name in model.params},
        )  # fmt: skip

    def evaluation(self) -> None:
        model = self.random()
        for seed in range(3):
            model.forward(self.batch(model, seed=seed)[0], training=True)
        emb, _ = self.batch(model)
        together = model.forward(emb, training=False).copy()
        for row in range(ROWS):
            alone = model.forward(emb[row : row + 1], training=False)[0]
            if abs(alone - together[row]) > ROUNDING * max(1.0, abs(together[row])):
                raise Failed(f"the logit of a sample is {alone} alone and {together[row]} among others")

    def threads(self) -> None:
        states = []
        for count in (1, 2):
            with threads(count):
                model = self.random(dtype=np.float32)
                emb, dlogits = self.batch(model, rows=3000)
                logits = model.forward(emb, training=True).copy()
                demb = model.backward(dlogits).copy()
                grads = {f"grads {name}": grad.copy() for name, grad in model.grads.items()}
                states.append({**model.state(), **grads, "logits": logits, "demb": demb})
        require_same("one thread and two", *states)

    def state(self) -> None:
        model, other = self.random(), self.random(seed=9)
        emb, dlogits = self.batch(model)
        model.forward(emb, training=True)
        model.backward(dlogits)
        state = model.state()
        kept = {name: array.copy() for name, array in state.items()}
        arrays = dict(other.params)
        other.load_state(state)
        require_same("a state that was put back", kept, other.state())
        if any(other.params[name] is not array for name, array in arrays.items()):
            raise Failed("load_state must fill the arrays of params in place: the optimiser holds them")
        for training in (False, True):
            first = model.forward(emb, training=training, update_stats=False).copy()
            if not same_bits(first, np.array(other.forward(emb, training=training, update_stats=False))):
                raise Failed("a model with the state of another gives other logits")
        for param in model.params.values():
            param += 1.0
        require_same("a state that was taken before a change: it must be a copy", kept, state)

    def refusals(self) -> None:
        model = self.random()
        emb, dlogits = self.batch(model)
        before = model.state()
        wrong: list[tuple[str, Callable[[], Any]]] = [
            ("backward without forward", lambda: model.backward(dlogits)),
            ("embeddings with a column more", lambda: model.forward(np.ones((ROWS, emb.shape[1] + 1)), training=True)),
            ("embeddings of float32 for a float64 model", lambda: model.forward(emb.astype(np.float32), training=True)),
            ("no samples", lambda: model.forward(emb[:0], training=True)),
            ("an unknown array in a state", lambda: model.load_state({**before, "no such array": dlogits})),
        ]
        for name, array in before.items():
            wrong.append(
                (f"a state with {name!r} too long",
                 lambda name=name, array=array: model.load_state({**before, name: np.append(array, 0.0)}))  # type: ignore[misc]
            )  # fmt: skip
        for what, call in wrong:
            require_raises(what, InputError, call)
        model.forward(emb, training=False)
        require_raises("backward after an evaluation", InputError, lambda: model.backward(dlogits))
        model.forward(emb, training=True, update_stats=False)
        require_raises("dlogits of another length", InputError, lambda: model.backward(dlogits[1:]))
        require_same("what was refused changed the model", before, model.state())


def _compare(name: str, array: Array, gradient: Array, loss: Callable[[], float]) -> None:
    """`Failed` where the gradient of an array differs from central differences at every step size."""
    rng = generator(4)
    flat, wanted = array.flat, gradient.reshape(-1)
    places = rng.choice(array.size, min(array.size, ELEMENTS), replace=False)
    scale = max(1.0, float(np.abs(wanted).max()))
    for place in places:
        found = [_central_difference(flat, int(place), step, loss) for step in STEPS]
        if min(abs(one - wanted[place]) for one in found) > TOLERANCE * scale:
            raise Failed(f"the gradient of {name} at element {place} is {wanted[place]:.8g}, not {found[1]:.8g}")


def _central_difference(flat: Any, place: int, step: float, loss: Callable[[], float]) -> float:
    value = flat[place]
    flat[place] = value + step
    above = loss()
    flat[place] = value - step
    below = loss()
    flat[place] = value
    return (above - below) / (2.0 * step)
