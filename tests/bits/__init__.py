"""The bit corpus: digests of what the package computes, so that a changed bit is seen and named."""
