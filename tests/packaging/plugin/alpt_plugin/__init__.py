"""Parts of a package outside the project."""
