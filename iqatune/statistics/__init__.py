"""Statistics: the moments of every pair, computed once and kept."""
