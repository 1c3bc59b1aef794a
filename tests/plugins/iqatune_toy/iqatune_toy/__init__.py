"""A small plug-in of iqatune, whose code is that of docs/extending.md."""
