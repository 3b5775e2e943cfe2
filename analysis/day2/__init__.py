"""Day 2 on generated click days: what going on with new ids is worth, and why a pass over them can lose."""
