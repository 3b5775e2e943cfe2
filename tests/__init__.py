"""The tests mirror the package; tolerances have names and live in `tolerances`."""
