#!/bin/sh
# Makes the virtual environment .venv here with the first Python that iqatune is tested with.
tried="3.11 3.12 3.13"

for python in python3 python3.13 python3.12 python3.11; do
    # a name may be that of an older Python, or of a pyenv shim without one; Debian's may come without ensurepip
    version=$("$python" -c 'import ensurepip, sys, venv; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    case " $tried " in *" $version "*) exec "$python" -m venv .venv ;; esac
done

echo "iqatune needs Python 3.11, 3.12 or 3.13 with its modules venv and ensurepip, and found none of them on PATH" \
    "(python3 is $(python3 -c 'import platform; print(platform.python_version())' 2>/dev/null || echo absent));" \
    "install one, with python3-venv on Debian and Ubuntu, or make .venv with another: /path/to/python -m venv .venv" >&2
exit 2
