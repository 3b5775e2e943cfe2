"""Quantisers of other packages under `alpt_ref.testing.check_quantizer`: ``python -m analysis.peers``.

One file a package: what it promises, on which lattices it rounds, and how it is called. `peer` says what such a file
defines, `measure` checks it, `record` keeps the results in ``results/peers.json``, `page` writes them as
``results/peers.md``. The command is `__main__`. Nothing here holds code of another package.
"""
