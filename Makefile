# `make` alone lists the commands. All of them install what they need into .venv first, once.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check
CHROMIUM := /usr/bin/chromium
APT_INSTALL := apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends
IS_DEBIAN_ROOT := [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null

# A smoke run proves the chain; its weights must not replace those that come with the app.
# It draws landscapes alone, which need nothing fetched.
SMOKE_RUN := --smoke --kinds landscape --folder .train/smoke --out .train/smoke/vignette

# A process for each core, each with whole files. Not for browser tests: they would wait too long.
SIDE_BY_SIDE := --numprocesses auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

# The interpreter that makes .venv; empty: the first of these that is 3.11 or newer.
PYTHON ?=
CANDIDATES := python3.11 python3.12 python3.13 python3.14 python3

.PHONY: help setup setup-train setup-dev demo shots test bench lint format train train-data browser drawing-libraries

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMPS)/app  ## install what the app needs into .venv

setup-train: $(STAMPS)/train drawing-libraries  ## the same, and what training needs

setup-dev: $(STAMPS)/dev drawing-libraries browser  ## the same, and what the tests need

demo: setup  ## serve the app on http://127.0.0.1:7860 (PORT=8080 changes the port)
	@exec $(BIN)/python app.py

shots: setup-dev  ## pictures of every tab, wide and narrow, light and dark (SHOTS=folder; assets/shots)
	$(BIN)/python -m tests.e2e.shots $(SHOTS)

test: setup-dev lint  ## every check and every test, in a real browser too (ARGS="tests/test_recipe.py -x")
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	@status=0; \
	$(BIN)/python -m pytest -m "not e2e" $(SIDE_BY_SIDE) || status=$$?; \
	$(BIN)/python -m pytest -m e2e || status=$$?; \
	exit $$status
endif

bench: $(STAMPS)/dev  ## compare speed and memory with other engines (ARGS="loading --rounds 3")
	$(BIN)/python -m benchmarks $(ARGS)

lint: $(STAMPS)/dev  ## style, formatting and types
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/python -m pyright

format: $(STAMPS)/dev  ## rewrite the sources in the project's style
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

train-data: setup-train  ## fetch the free emoji art that training draws things from (needs npm, once)
	$(BIN)/python -m ldm.train.sprites

train: setup-train  ## train the embedded model from drawings (SMOKE=1: the whole chain in minutes)
	$(BIN)/python -m ldm.train all $(if $(SMOKE),$(SMOKE_RUN))

# --- what the commands above stand on ---------------------------------------------------------

$(BIN)/python:
	@for candidate in $(or $(PYTHON),$(CANDIDATES)); do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    python="$$candidate"; break; \
	  fi; \
	done; \
	if [ -z "$${python:-}" ]; then \
	  echo "Python: none of '$(or $(PYTHON),$(CANDIDATES))' is 3.11 or newer." \
	    "Install Python 3.11, or name one: make setup PYTHON=/path/to/python3.11" >&2; exit 1; \
	fi; \
	if ! "$$python" -c 'import ensurepip' 2>/dev/null; then \
	  package="$$("$$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"; \
	  if $(IS_DEBIAN_ROOT); then $(APT_INSTALL) "$$package"; \
	  else echo "Python: $$python cannot make environments." \
	    "Install its venv module (Debian: apt-get install $$package)." >&2; exit 1; fi; \
	fi; \
	echo "Making $(VENV) with $$("$$python" --version)"; \
	"$$python" -m venv --clear $(VENV)

# A stamp is newer than its requirements once they are installed; editing them installs again.
$(STAMPS)/app: requirements.txt | $(BIN)/python
$(STAMPS)/train: requirements-train.txt $(STAMPS)/app
$(STAMPS)/dev: requirements-dev.txt $(STAMPS)/train

$(STAMPS)/%:
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(VENV) holds $$($(BIN)/python --version); 3.11 or newer is needed. Remove it and try again." >&2; exit 1; }
	@$(PIP) --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --upgrade
	$(PIP) install -r $<
	@mkdir -p $(STAMPS) && touch $@

browser:
	@if [ ! -x $(CHROMIUM) ]; then \
	  if $(IS_DEBIAN_ROOT); then $(APT_INSTALL) chromium fonts-liberation; \
	  else echo "The browser tests need Chromium at $(CHROMIUM)." \
	    "Install it: sudo apt-get install chromium fonts-liberation" >&2; exit 1; fi; \
	fi

# skia's wheel draws on the CPU, but links these libraries of the system all the same.
drawing-libraries: $(STAMPS)/train
	@if ! $(BIN)/python -c 'import skia' 2>/dev/null; then \
	  if $(IS_DEBIAN_ROOT); then $(APT_INSTALL) libegl1 libgl1; \
	  else echo "skia-python does not load: $$($(BIN)/python -c 'import skia' 2>&1 | tail -n 1)." \
	    "Install what it links: sudo apt-get install libegl1 libgl1" >&2; exit 1; fi; \
	  $(BIN)/python -c 'import skia'; \
	fi
