"""How well a metric agrees with people: correlations, folds by reference, intervals and paired tests.

Pure functions on numpy arrays. Nothing here knows images, searchers or files.
"""
