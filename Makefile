# Two commands matter: `make run` and `make test`. Everything they need beyond Python >= 3.11 and make (and a C compiler
# where a package has no wheel for the system) is installed by them, into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test lint types check bench soak fuzz lock clean

run: $(VENV)/installed
	@$(BIN)/python cli.py up

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev
	$(BIN)/mypy

check: lint types test

bench: $(VENV)/installed-dev
	$(BIN)/python -m bench

soak: $(VENV)/installed-dev
	$(BIN)/python -m tests.faults.soak

# Each target for FUZZ_S seconds; corpora stay in .fuzz/.
FUZZ_S ?= 60
fuzz: $(VENV)/installed-fuzz
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_S)

$(VENV)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python >= 3.11 is needed; $(PYTHON) is $$($(PYTHON) --version). Set PYTHON=python3.11 or newer." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: $(VENV)/pip requirements.lock pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

$(VENV)/installed-fuzz: $(VENV)/installed-dev requirements-fuzz.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-fuzz.lock
	@touch $@

# Refreshes the locks after a change of pyproject.toml; needs uv.
LOCK := uv pip compile pyproject.toml requirements-build.in --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --quiet
lock:
	$(LOCK) -o requirements.lock
	$(LOCK) --extra dev -c requirements.lock -o requirements-dev.lock
	$(LOCK) --extra fuzz -c requirements.lock -o requirements-fuzz.lock

clean:
	rm -rf $(VENV) dist
