"""Tables and figures from many runs: a grid of cells, trained once, stored, compared and laid out."""
