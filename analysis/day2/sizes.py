"""Rows of the days that are measured."""

DAY, SMALL_DAY = 24_000, 8_000
"""Rows of a day."""
CAUSES_DAY, UPDATE = 16_000, 3_000
"""Rows of day 1, and of day 2 that come, where causes are told apart."""
