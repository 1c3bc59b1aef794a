"""`python -m iqatune` is `iqatune`."""

from iqatune.cli.main import script

if __name__ == "__main__":
    script()
