# On a fresh machine with Python 3.11: `make demo` for a first look, `make demo OPEN=1` to have its page
# served at the end, `make test` for every check.
# While working: `make check`, `make quick`, `make test ARGS="-k price"`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOCKS := requirements/packages.txt requirements/torch-cpu.txt requirements/torch-pypi.txt
PIP := $(BIN)/python -m pip --disable-pip-version-check
LOCKED := $(PIP) install --quiet --require-hashes --only-binary :all: --no-deps

FAULTY := tests/faults tests/index/test_collection_kills.py tests/engines/test_sealed.py tests/study/test_results.py

.PHONY: demo check quick test faults docs figures pictures lock licences packages dist dist-quick audit clean

demo: $(READY)
	$(BIN)/python -m windowshop demo build/demo $(if $(OPEN),--open)

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

# Every fault that tests know; the other targets try a part of each. Counts go to the documents.
faults: $(READY)
	mkdir -p build && rm -f build/faults.jsonl
	FAULTS=all FAULTS_COUNTS=$(CURDIR)/build/faults.jsonl $(BIN)/python -m pytest $(FAULTY) $(ARGS)
	$(BIN)/python benchmarks/faults.py build/faults.jsonl --out benchmarks/results/faults.json

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Tables and figures of README and docs, from the files in benchmarks/results.
figures: $(READY)
	$(BIN)/python benchmarks/figures.py

# Screenshots of README and docs, of the demo's shop: `make demo` first.
pictures: $(READY)
	$(BIN)/python -m tools.pictures

# Versions and hashes of all packages, of pyproject.toml; `make lock ARGS=--upgrade` for newer ones.
lock: $(READY)
	$(BIN)/python -m tools.lock $(ARGS)

packages: $(READY)
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist .

# Wheel and source package, each extra installed by itself in a new environment and tried there.
dist: packages
	$(BIN)/python -m tools.dist

# The part of it that takes two minutes: the wheel without extras.
dist-quick: packages
	$(BIN)/python -m tools.dist --quick

# Known vulnerabilities of what is locked; needs PyPI's own index, and says what it could not check.
audit: $(READY)
	$(BIN)/python -m tools.audit

licences: $(READY)
	$(BIN)/python -m tools.licences

# Only files with the hashes of the lock are installed, and nothing is built but windowshop itself.
# torch goes by itself: the CPU build where pip finds it, else PyPI's, which on Linux brings CUDA.
$(READY): pyproject.toml $(LOCKS)
	$(PYTHON) -m venv $(VENV)
	$(LOCKED) -r requirements/torch-cpu.txt || $(LOCKED) -r requirements/torch-pypi.txt
	$(LOCKED) -r requirements/packages.txt
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	$(PIP) check
	touch $(READY)

clean:
	rm -rf build dist $(VENV)
