"""Figures that others published, kept as data. Facts to compare with; never mixed with measured ones."""
