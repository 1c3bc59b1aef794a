"""Search: the objective, the ask-and-tell loop and the searchers."""
