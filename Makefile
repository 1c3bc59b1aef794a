# The commands of a developer. `make check` is what every change must pass.

PYTHON ?= .venv/bin/python
TEST_COMMAND ?= $(PYTHON) -m pytest -q -n 2

.DEFAULT_GOAL := check
.PHONY: check format install lint schemas test thorough types
.NOTPARALLEL:
.SILENT:

REPEATED = .pytest_cache/repeated

check: test lint types
	if [ -s $(REPEATED) ]; then echo "repeated, for they failed beside others (mend them):"; cat $(REPEATED); fi

install:
	sh scripts/venv.sh
	.venv/bin/python -m pip install -q -c constraints.txt -e '.[dev]'

# A defect fails again when it is run alone; a test that had too little processor time does not.
test:
	rm -f $(REPEATED)
	if ! { $(TEST_COMMAND); }; then \
		echo "some tests failed; those once more, one at a time"; \
		$(PYTHON) -c 'import json; print(*json.load(open(".pytest_cache/v/cache/lastfailed")), sep="\n")' > $(REPEATED); \
		$(PYTHON) -m pytest -q --last-failed --last-failed-no-failures none -n 0; \
	fi

# What takes minutes and rarely finds anything: for changes of how files are written or processes are started.
thorough:
	$(PYTHON) -m pytest -q -n 2 -m thorough

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types:
	$(PYTHON) -m mypy

format:
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

# The JSON Schemas of the documents that iqatune writes: docs/*.schema.json.
schemas:
	$(PYTHON) -m iqatune.records.schemas docs
