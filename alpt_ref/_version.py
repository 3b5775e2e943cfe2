"""The version of this package, in one place below everything that prints or stores it."""

__version__ = "0.2.0"
