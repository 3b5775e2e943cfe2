"""The loops around the scalar maths: one module a target, same names and arguments, and a slow oracle."""
