"""Long-run laws of a finite Markov chain: its closed classes, the law within one, and which one it ends in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import spsolve


def closed_classes(matrix: sparse.csr_array) -> list[NDArray[np.int64]]:
    """Sets of states that no transition leaves, each ascending."""
    count, label = connected_components(matrix, directed=True, connection="strong")
    entries = matrix.tocoo()
    leaving = np.zeros(count, dtype=bool)
    leaving[label[entries.row[label[entries.row] != label[entries.col]]]] = True
    return [np.flatnonzero(label == c).astype(np.int64) for c in range(count) if not leaving[c]]


_LARGE = 1e200


def gth(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Stationary law of an irreducible chain, dense (n, n), by elimination without subtraction."""
    a = matrix.copy()
    n = len(a)
    for k in range(n - 1, 0, -1):
        a[:k, k] /= a[k, :k].sum()
        a[:k, :k] += np.outer(a[:k, k], a[k, :k])
    law = np.zeros(n)
    law[0] = 1.0
    for k in range(1, n):
        law[k] = law[:k] @ a[:k, k]
        if law[k] > _LARGE:  # a state far likelier than those before it: only proportions matter
            law[: k + 1] /= law[k]
    return np.asarray(law / law.sum())


def absorption(
    matrix: sparse.csr_array, closed: list[NDArray[np.int64]], begin: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Probability of ending in each closed class when the first state has law `begin`."""
    inside = np.zeros(matrix.shape[0], dtype=bool)
    for members in closed:
        inside[members] = True
    open_states = np.flatnonzero(~inside)
    result = np.array([begin[members].sum() for members in closed])
    if open_states.size:
        inner = sparse.eye_array(open_states.size, format="csc") - matrix[open_states][:, open_states].tocsc()
        visits = spsolve(inner.T.tocsc(), begin[open_states])
        result += np.array([(visits @ matrix[open_states][:, members].toarray()).sum() for members in closed])
    return result
