"""Encoded clicks on disk: written in bounded memory, resumable, read through a memory map."""
