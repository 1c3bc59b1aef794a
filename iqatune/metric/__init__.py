"""The metric: similarities, weights, the spaces that searchers see, and the module that scores images."""
