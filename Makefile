# On a fresh machine with Python 3.11: `make demo` for a first look, `make test` for every check.
# While working: `make check`, `make quick`, `make test ARGS="-k price"`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo check quick test docs figures clean

demo: $(READY)
	$(BIN)/python -m windowshop demo build/demo

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python benchmarks/figures.py --check

# Compiled tests are kept: to compile all takes each process many seconds.
unexport PYTHONDONTWRITEBYTECODE

# All that neither trains nor opens a process or a browser. A test file stays in one process, so
# that what its tests share is made once.
quick: $(READY)
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not slow and not browser" $(ARGS)

# In one process: trainings, services and browsers beside each other wait too long on two cores.
test: check
	$(BIN)/python -m pytest $(ARGS)

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Tables and figures of README and docs, from the files in benchmarks/results.
figures: $(READY)
	$(BIN)/python benchmarks/figures.py

$(VENV)/.docs: $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	touch $@

# torch goes first and alone, so that nothing else picks another build of it.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all,dev]'
	touch $(READY)

clean:
	rm -rf build $(VENV)
