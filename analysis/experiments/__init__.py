"""Comparisons on real click files: configurations, two programs over random splits, and the results they gave."""
