"""The maths: numbers in, numbers out; one definition of every rounding and every update, compiled for each target."""
