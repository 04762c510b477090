# Everything starts here: `make help` lists the targets. Needs Python 3.11+, Go 1.26+ and make; brings the rest itself.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .cache/uv-$(UV_VERSION)/bin/uv
# The environment is the checkout's own, and TLS follows the machine's certificates (company proxies).
export UV_PROJECT_ENVIRONMENT := .venv
export UV_SYSTEM_CERTS := 1
unexport VIRTUAL_ENV
BIN := .venv/bin
READY := .venv/.synced
CONTROL_PLANE := PYTHONPATH=tests $(BIN)/python -m control_plane

say = @if [ -t 1 ]; then printf '\033[1m==> %s\033[0m\n' "$(1)"; else echo "==> $(1)"; fi

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(UV):
	$(call say,bringing uv $(UV_VERSION) into .cache)
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; set PYTHON=") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv .cache/uv-$(UV_VERSION)
	@.cache/uv-$(UV_VERSION)/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(READY): $(UV) pyproject.toml uv.lock
	$(call say,installing the locked Python environment into .venv)
	@$(UV) sync --locked --python $(PYTHON)
	@touch $(READY)

.PHONY: setup
setup: $(READY) ## bring uv and the locked Python environment into .venv

.PHONY: control-plane
control-plane: $(READY) ## build the Kubernetes control plane for tests into .cache (minutes when cold)
	@$(CONTROL_PLANE) build

.PHONY: up
up: $(READY) ## start a local control plane; its kubeconfig is .cache/kubeconfig
	@$(CONTROL_PLANE) up

.PHONY: down
down: $(READY) ## stop the local control plane
	@$(CONTROL_PLANE) down

.PHONY: format
format: $(READY) ## format the code and mend what ruff can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: check
check: $(READY) ## the fast part: lint, types, layers, unit and contract tests, generated files
	$(call say,lint and format)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	$(call say,types)
	@$(BIN)/mypy operator tests
	@$(BIN)/pyright
	$(call say,layers)
	@$(BIN)/lint-imports
	$(call say,unit and contract tests)
	@$(BIN)/pytest tests/unit tests/contract -q -n 2

.PHONY: explore
explore: $(READY) ## walk small worlds completely, the larger ones too (an hour); NAME= picks some
	@PYTHONPATH=tests $(BIN)/python -m exploration --deeper "$(NAME)"

.PHONY: test
test: check control-plane ## everything: check, small worlds walked completely, the operator on a real control plane, and under faults
	$(call say,small worlds walked completely)
	@$(BIN)/pytest tests/exploration -q -n 2
	$(call say,integration tests)
	@$(BIN)/pytest tests/integration -q -n 2 --dist loadfile
	$(call say,chaos tests)
	@$(BIN)/pytest tests/chaos -q -n 2 --dist loadfile

MINUTES ?= 20
.PHONY: soak
soak: $(READY) control-plane ## random edits under random faults for MINUTES (20), then outages of true length; prints what came of it
	@$(BIN)/pytest tests/chaos/test_soak.py tests/chaos/test_outages.py -q -s --minutes=$(MINUTES)

.PHONY: demo
demo: $(READY) control-plane ## the whole story on this machine in a minute; KEEP=1 leaves it running
	@PYTHONPATH=tests $(BIN)/python -m demo

# For `make bench`: which rows (all when empty), how often, and the share of the full size.
ROWS ?=
ROUNDS ?= 5
SCALE ?= 1

.PHONY: bench
bench: $(READY) control-plane ## measure the operator beside a peer in Go; a quick look: ROWS=edit,burst ROUNDS=1 SCALE=0.1
	@PYTHONPATH=tests $(BIN)/python -m benchmarks --rows '$(ROWS)' --rounds $(ROUNDS) --scale $(SCALE)
