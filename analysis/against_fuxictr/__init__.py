"""FuxiCTR's DCN and this package's on the same ten splits of a libfm file, and what makes the difference."""
