"""The version, in a file of its own so that the build can read it without importing anything else; and others'."""

from importlib.metadata import PackageNotFoundError, version

__version__ = "0.1.0"


def package_version(package: str) -> str | None:
    """The installed version of a package; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
