"""What is built and installed: metadata, contents of wheel and sdist, an installation in an empty folder."""
