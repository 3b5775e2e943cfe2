"""Tables on a GPU, the bits of those on the CPU."""
