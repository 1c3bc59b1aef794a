"""Checks of a data set, a backbone, the searchers and the device, before hours are spent on them."""
