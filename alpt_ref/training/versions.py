"""What the bits of a result may depend on beside configuration and data: it is stored with every result."""

from __future__ import annotations

import platform

import numpy as np

from alpt_ref._version import __version__


def versions() -> dict[str, str]:
    """Versions that the bits of a result may depend on."""
    import numba
    import scipy

    from alpt_ref.kernels.linalg import blas_kernel

    return {
        "alpt_ref": __version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "numba": numba.__version__,
        "python": platform.python_version(),
        "blas": blas_kernel(),
    }
