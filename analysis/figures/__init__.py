"""The figures: one file each with ``FIGURE``, drawn from stored results; files that begin with ``_`` are helpers."""
