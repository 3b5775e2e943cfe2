"""Tables and figures from many runs: cells that are trained once, stored, compared and tabulated."""
