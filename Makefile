# Ray Studio: `make run` starts it, `make test` tests it. `make help` lists the rest.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
WORKERS ?=
FUZZ ?= 20
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.installed-runtime
DEVELOPMENT := $(VENV)/.installed-development
AUDIT := $(VENV)/audit
LOCKING := $(VENV)/locking
# The second run of the tests; each is used where something answers at it.
TEST_DATABASE_URL ?= postgres://postgres@127.0.0.1:5432/test
TEST_REDIS_URL ?= redis://127.0.0.1:6379/8
export TEST_DATABASE_URL TEST_REDIS_URL

INSTALL := -m pip install --quiet --disable-pip-version-check --require-hashes
COMPILE := $(LOCKING)/bin/uv pip compile --quiet --no-config --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' $(LOCK)

.PHONY: help run test fuzz lint bench emulator audit lock clean
.DEFAULT_GOAL := help

help:
	@echo 'make run        start the studio (PORT=8000 HOST=127.0.0.1 WORKERS=2)'
	@echo 'make test       run the tests on SQLite, and on PostgreSQL + Redis where they are reachable'
	@echo 'make fuzz       send hostile requests everywhere, FUZZ=20 times as many as the tests do'
	@echo 'make lint       check style, types, templates and migrations'
	@echo 'make audit      look for known vulnerabilities in what is installed'
	@echo 'make lock       write the versions and hashes to install anew, from requirements.txt and requirements-dev.txt'
	@echo 'make bench      print every measurement; make bench-NAME prints that of bench/bench_NAME.py'
	@echo 'make emulator   start a stand-in for the paid providers'
	@echo 'make clean      remove the virtual environment and caches; the data in var/ stays'

# exec: Ctrl-C and SIGTERM reach the studio itself.
run: $(RUNTIME)
	@exec $(BIN)/python manage.py studio --host '$(HOST)' --port '$(PORT)' $(if $(WORKERS),--workers '$(WORKERS)')

test: $(DEVELOPMENT)
	@$(BIN)/python -m tests

fuzz: $(DEVELOPMENT)
	STUDIO_TEST_FUZZ='$(FUZZ)' $(BIN)/python -m tests tests/test_fuzz_pages.py tests/test_fuzz_admin.py tests/test_fuzz_hooks.py

lint: $(DEVELOPMENT)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy manage.py studio
	$(BIN)/djlint --lint --quiet templates
	$(BIN)/python manage.py check --fail-level WARNING
	$(BIN)/python manage.py makemigrations --check --dry-run

audit: $(DEVELOPMENT) $(AUDIT)/.installed
	@$(BIN)/python -m tests.audit $(AUDIT)/bin/pip-audit

# For every system and every Python the studio runs on; without the address of any index. What is
# locked already stays at its version, but for what its requirements rule out (LOCK=--upgrade).
lock: $(LOCKING)/.installed
	$(COMPILE) requirements.txt --output-file requirements-lock.txt
	$(COMPILE) requirements-dev.txt --constraints requirements-lock.txt --output-file requirements-dev-lock.txt
	$(COMPILE) .ci/requirements-audit.txt --output-file .ci/requirements-audit-lock.txt

bench: $(patsubst bench/bench_%.py,bench-%,$(sort $(wildcard bench/bench_*.py)))

bench-%: $(DEVELOPMENT)
	$(BIN)/python -m bench.bench_$(subst -,_,$*)

emulator: $(DEVELOPMENT)
	@exec $(BIN)/python -m tests.emulator

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is newer than its lock file once that is installed.
$(RUNTIME): requirements-lock.txt | $(BIN)/python
	@echo 'Installing the dependencies; this takes about a minute, once.'
	@$(BIN)/python $(INSTALL) -r requirements-lock.txt
	@touch $@

$(DEVELOPMENT): requirements-dev-lock.txt requirements-lock.txt | $(BIN)/python
	@echo 'Installing the dependencies and the development tools; this takes a minute or two, once.'
	@$(BIN)/python $(INSTALL) -r requirements-dev-lock.txt
	@touch $@ $(RUNTIME)

$(AUDIT)/.installed: .ci/requirements-audit-lock.txt | $(BIN)/python
	@$(BIN)/python -m venv $(AUDIT)
	@if $(AUDIT)/bin/python $(INSTALL) -r .ci/requirements-audit-lock.txt; then touch $@; fi

$(LOCKING)/.installed: .ci/requirements-uv.txt | $(BIN)/python
	@$(BIN)/python -m venv $(LOCKING)
	@$(LOCKING)/bin/python -m pip install --quiet --disable-pip-version-check -r .ci/requirements-uv.txt
	@touch $@

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
		echo 'Ray Studio needs Python 3.11 or newer; there is no $(PYTHON) here. Name another with PYTHON=...' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Ray Studio needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Name another with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo 'This Python cannot make virtual environments. On Debian: apt-get install python3-venv' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
