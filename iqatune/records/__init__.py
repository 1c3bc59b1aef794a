"""Everything that is asked for or written, as immutable models; no arithmetic, no torch."""
