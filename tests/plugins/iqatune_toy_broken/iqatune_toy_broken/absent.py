"""A module that needs another one, which is not installed."""

from importlib import import_module

Absent = import_module("a_library_that_is_not_installed").Searcher
