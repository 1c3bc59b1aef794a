"""Data sets: one adapter each, one registry, one type of pair table."""
