# `make run` and `make test` install everything they need. PYTHON and PORT can be set: make run PORT=8001
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RANDOM = $$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(48))')
# The production settings that `make check` checks. No server is started with them.
PRODUCTION = ENV_FILE=/dev/null DEMO=0 ALLOWED_HOSTS=login.example.org SITE_URL=https://login.example.org \
	EMAIL_URL=smtp://mail.example.org SECRET_KEY=$(RANDOM) JWT_ACCESS_KEYS=$(RANDOM) JWT_REFRESH_KEYS=$(RANDOM)
# The number of test workers. Each starts several processes, so with more workers than cores they only wait.
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

.DEFAULT_GOAL := help
.PHONY: help run test test-all test-clocks soak rehearse prove measure hops bench servers zoo pictures check format clean
PYTEST = $(BIN)/python -m pytest -q
WORKERS = -n $(JOBS) --dist loadfile

help:  ## lists the commands
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

run: $(VENV)/.run  ## runs the site on http://localhost:8000 (HTTPS=1: over https, with a certificate of its own)
	@exec $(BIN)/python -m config.run

test: $(VENV)/.dev  ## tests each property once: while you work
	@exec $(PYTEST) $(WORKERS) -m "not exhaustive"

test-all: $(VENV)/.dev  ## runs every test in random order: before you hand it over (SEED=7: the order of that seed)
	@exec $(PYTEST) $(WORKERS) -p randomly $(if $(SEED),--randomly-seed=$(SEED))

test-clocks: $(VENV)/.dev  ## `make test` at other dates: leap day, New Year's Eve, clock changes (CLOCK=spring: only that)
	@exec $(BIN)/python -m tests.clocks $(CLOCK) -- $(WORKERS)

soak: $(VENV)/.dev  ## runs the race and scale tests with full counts: before a release
	@SOAK=1 exec $(PYTEST) -m soak

rehearse: $(VENV)/.dev  ## replaces both rings of keys twice under load, and once as after a leak, with figures: about a minute
	@exec $(PYTEST) -s tests/site/test_rehearsal.py

prove: $(VENV)/.dev  ## proves every claim (ID="C9 C10" or PART=sessions: only these; RECORD=1: records what the attacks show)
	@exec $(BIN)/python -m config.command prove $(ID) $(if $(PART),--part $(PART)) $(if $(RECORD),--record)

measure: $(VENV)/.run  ## measures what a request costs in each mode on this machine (N=2000: requests of each)
	@exec $(BIN)/python -m config.command measure $(if $(N),--requests $(N))

hops: $(VENV)/.run  ## measures what each hop to a service behind the gateway costs, in three designs (N=1000: requests of each)
	@exec $(BIN)/python -m config.command hops $(if $(N),--requests $(N))

bench: $(VENV)/.dev  ## compares this project with stock Django and Express: 15 minutes (PROFILE=1: where its own time goes)
	@exec $(BIN)/python -m $(if $(PROFILE),benchmarks.layers,benchmarks)

servers: $(VENV)/.dev  ## tests which web servers do what the site needs (ONLY=granian: only that one)
	@exec $(BIN)/python -m benchmarks.candidates $(if $(ONLY),--only "$(ONLY)")

zoo: $(VENV)/.dev  ## sends spoofed identities to Caddy, nginx, HAProxy and each Python server: about two minutes
	@exec $(BIN)/python -m benchmarks.zoo

pictures: $(VENV)/.dev  ## takes the README's pictures in Chromium, from a site that it starts
	@exec $(BIN)/python -m tests.browser.pictures

check: $(VENV)/.dev  ## checks style, types, migrations and deployment settings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING
	@$(PRODUCTION) $(BIN)/python manage.py makemigrations --check --dry-run

format: $(VENV)/.dev  ## lints and formats the files in place
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## removes everything that the commands have made, data and secrets included
	rm -rf $(VENV) var .env

$(VENV)/.run: requirements.txt | $(VENV)/bin/python
	@echo "Installing requirements …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements.txt requirements-dev.txt | $(VENV)/bin/python
	@echo "Installing requirements …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/.run

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) on the PATH. Install Python 3.11 or newer, or name one: make run PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) -V 2>&1). Name another: make run PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "The venv module of $(PYTHON) is missing. On Debian: apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
