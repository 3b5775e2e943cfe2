"""Readers of raw click files: one file a format, and what they share (lines, parsing, categories)."""
