"""The loops of the GPU: grid-stride twins of `kernels.cpu` over the same scalar functions (numba.cuda).

Importing a module of this folder imports numba.cuda: only `kernels.backend` and what it hands out do so, lazily.
"""
