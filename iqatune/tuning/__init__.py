"""The verbs search, sweep and replay: whole runs, from options to record."""
