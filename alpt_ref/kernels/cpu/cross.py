"""All cross layers of DCN with their part of the output unit on the CPU; the formulas are in `alpt_ref.models.cross`.

Rows are split as in `alpt_ref.kernels.cpu.dense`: the forward pass by rows, the backward pass by row blocks that leave
one partial sum each.
"""

from __future__ import annotations

from typing import NamedTuple

from alpt_ref.kernels.cpu.dense import ROW_BLOCK, Array
from alpt_ref.kernels.jit import kernel


@kernel
def cross_forward(lo: int, hi: int, dots: Array, constants: Array, out: Array) -> None:
    """All cross layers and their part of the output unit, from ``dots[i, l] = x[i] . vectors[l]``.

    alpha_{l+1} = alpha_l + (alpha_l dots[i, l] + constants[l]) from alpha_0 = 1; then
    ``out[i] += alpha_L dots[i, L] + constants[L]``. Derivation: `alpt_ref.models.cross`.
    """
    layers = dots.shape[1] - 1
    for i in range(lo, hi):
        alpha = dots.dtype.type(1)
        for layer in range(layers):
            alpha += alpha * dots[i, layer] + constants[layer]
        out[i] += alpha * dots[i, layers] + constants[layers]


class CrossLayers(NamedTuple):
    """A batch's cross layers and their part of the output unit, L + 1 units in all.

    Attributes
    ----------
    x : array (rows, columns)
    vectors : array (L + 1, columns)
    constants : array (L + 1,)
    dots : array (rows, L + 1)
        Of `cross_forward`.
    """

    x: Array
    vectors: Array
    constants: Array
    dots: Array


class CrossGradients(NamedTuple):
    """Where `cross_backward` puts its gradients.

    Attributes
    ----------
    dx : array (rows, columns)
        Added to.
    dvectors, dconstants : arrays (blocks, L + 1, columns) and (blocks, L + 1)
        Partial sums, a block each.
    alphas, ddots : arrays (blocks, L + 1)
        Scratch of one row.
    """

    dx: Array
    dvectors: Array
    dconstants: Array
    alphas: Array
    ddots: Array


@kernel
def cross_backward(lo: int, hi: int, cross: CrossLayers, dout: Array, into: CrossGradients, params: bool) -> None:
    """Backward of `cross_forward` over row blocks lo..hi. With ``params`` false only `into.dx` is touched."""
    x, vectors, constants, dots = cross
    dx, dvectors, dconstants, alphas, ddots = into
    rows, columns = x.shape
    layers = vectors.shape[0] - 1
    one = x.dtype.type(1)
    for block in range(lo, hi):
        alpha, ddot = alphas[block], ddots[block]
        dvectors[block] = 0
        dconstants[block] = 0
        for i in range(block * ROW_BLOCK, min((block + 1) * ROW_BLOCK, rows)):
            row, target = x[i], dx[i]
            alpha[0] = one
            for layer in range(layers):
                alpha[layer + 1] = alpha[layer] + (alpha[layer] * dots[i, layer] + constants[layer])
            dalpha = dout[i] * dots[i, layers]
            ddot[layers] = dout[i] * alpha[layers]
            dconstants[block, layers] += dout[i]
            for layer in range(layers - 1, -1, -1):
                ddot[layer] = dalpha * alpha[layer]
                dconstants[block, layer] += dalpha
                dalpha += dalpha * dots[i, layer]
            for layer in range(layers + 1):
                g, vector = ddot[layer], vectors[layer]
                for j in range(columns):
                    target[j] += g * vector[j]
                if params:
                    dvector = dvectors[block, layer]
                    for j in range(columns):
                        dvector[j] += g * row[j]
