"""Clicks drawn from a model whose Bayes loss is known, and raw text of the shape of the public sets."""
