# `make run` and `make test` do all their own set-up. PYTHON and PORT may be given: make run PORT=8001
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RANDOM = $$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(48))')
# What `make check` calls production; nothing is started under it.
PRODUCTION = ENV_FILE=/dev/null DEMO=0 ALLOWED_HOSTS=login.example.org SITE_URL=https://login.example.org \
	EMAIL_URL=smtp://mail.example.org SECRET_KEY=$(RANDOM) JWT_ACCESS_KEYS=$(RANDOM) JWT_REFRESH_KEYS=$(RANDOM)
# Test workers: each drives several processes of its own, so that more workers than cores only wait for each other.
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

.DEFAULT_GOAL := help
.PHONY: help run test test-all test-clocks soak rehearse prove measure hops bench servers zoo check format clean
PYTEST = $(BIN)/python -m pytest -q
WORKERS = -n $(JOBS) --dist loadfile

help:  ## what each command does
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

run: $(VENV)/.run  ## the site, on http://localhost:8000 (HTTPS=1: with a certificate made here)
	@exec $(BIN)/python -m config.run

test: $(VENV)/.dev  ## each property once: while you work
	@exec $(PYTEST) $(WORKERS) -m "not exhaustive"

test-all: $(VENV)/.dev  ## every test, in a new order: before you hand it over (SEED=7: in that order again)
	@exec $(PYTEST) $(WORKERS) -p randomly $(if $(SEED),--randomly-seed=$(SEED))

test-clocks: $(VENV)/.dev  ## `make test` on other days: leap day, New Year's Eve, clock changes (CLOCK=spring: only that)
	@exec $(BIN)/python -m tests.clocks $(CLOCK) -- $(WORKERS)

soak: $(VENV)/.dev  ## the races and scale tests with full counts: before a release
	@SOAK=1 exec $(PYTEST) -m soak

rehearse: $(VENV)/.dev  ## both rings of keys replaced twice under load, and at once for a leak, with the figures: about a minute
	@exec $(PYTEST) -s tests/site/test_rehearsal.py

prove: $(VENV)/.dev  ## every claim, proved now (ID="C9 C10" or PART=sessions: only these; RECORD=1: keeps what attacks show)
	@exec $(BIN)/python -m config.command prove $(ID) $(if $(PART),--part $(PART)) $(if $(RECORD),--record)

measure: $(VENV)/.run  ## what a request costs in each mode, measured here (N=2000: so many of each)
	@exec $(BIN)/python -m config.command measure $(if $(N),--requests $(N))

hops: $(VENV)/.run  ## what each hop to a service behind the gateway costs, in three designs (N=1000: so many requests of each)
	@exec $(BIN)/python -m config.command hops $(if $(N),--requests $(N))

bench: $(VENV)/.dev  ## this project beside stock Django and Express, about a quarter of an hour (PROFILE=1: where our own time goes)
	@exec $(BIN)/python -m $(if $(PROFILE),benchmarks.layers,benchmarks)

servers: $(VENV)/.dev  ## which web servers pass what the site needs of one (ONLY=granian: that one)
	@exec $(BIN)/python -m benchmarks.candidates $(if $(ONLY),--only "$(ONLY)")

zoo: $(VENV)/.dev  ## spoofed identities sent to Caddy, nginx, HAProxy and each Python server: about two minutes
	@exec $(BIN)/python -m benchmarks.zoo

check: $(VENV)/.dev  ## lint, types, migrations, deployment settings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING
	@$(PRODUCTION) $(BIN)/python manage.py makemigrations --check --dry-run

format: $(VENV)/.dev  ## lint and format, in place
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## removes what the commands made, data and secrets included
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
