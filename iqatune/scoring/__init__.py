"""The verbs evaluate and score: metrics on the pairs of a data set, and on any images."""
