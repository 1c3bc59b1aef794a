"""The public Python interface: what `import iqatune` offers, with the same words as the command line."""
