"""One searcher a file, behind one registry."""
