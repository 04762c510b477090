# Everything starts here: `make help` lists the targets. Needs Python 3.11+, Go 1.26+ and make; brings the rest itself.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

PYTHON ?= python3
UV_VERSION := $(shell sed -n 's/^uv==\([0-9.]*\).*/\1/p' requirements/uv.txt)
UV := .cache/uv-$(UV_VERSION)/bin/uv
# The environment is the checkout's own, and TLS follows the machine's certificates (company proxies).
export UV_PROJECT_ENVIRONMENT := .venv
export UV_SYSTEM_CERTS := 1
# Every operator that a test starts would else compile all packages anew where Python may not write bytecode.
export UV_COMPILE_BYTECODE := 1
unexport VIRTUAL_ENV
BIN := .venv/bin
READY := .venv/.synced
SCANNERS := .cache/scanners/.synced .cache/checkov/.synced
DOCS := .cache/docs/.synced
WHEEL_BUILDER := .cache/build/.synced
CONTROL_PLANE := PYTHONPATH=tests:hack $(BIN)/python -m control_plane
DELIVERY := PYTHONPATH=tests:hack $(BIN)/python -m delivery

# Tests on a control plane mostly wait, so there are more workers than cores; each has a control plane of its own (2 s of
# processor time, 0.6 GB), which is cheaper than what sharing one would take to keep them apart.
waiting = $(BIN)/pytest $(1) -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder --junitxml=.cache/test-times/$(2).xml
WORKERS ?= 6

comma := ,
say = @if [ -t 1 ]; then printf '\033[1m==> %s\033[0m\n' "$(1)"; else echo "==> $(1)"; fi

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(UV):
	$(call say,bringing uv $(UV_VERSION) into .cache)
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; set PYTHON=") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv .cache/uv-$(UV_VERSION)
	@.cache/uv-$(UV_VERSION)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt

$(READY): $(UV) pyproject.toml uv.lock
	$(call say,installing the locked Python environment into .venv)
	@$(UV) sync --locked --python $(PYTHON)
	@touch $(READY)

.PHONY: setup
setup: $(READY) ## bring uv and the locked Python environment into .venv

.cache/%/.synced: requirements/%.txt $(UV)
	$(call say,bringing the locked $* into .cache)
	@$(UV) venv --quiet --clear --python $(PYTHON) .cache/$*
	@$(UV) pip sync --quiet --python .cache/$*/bin/python --require-hashes $<
	@touch $@

.PHONY: lock
lock: $(UV) ## lock again what requirements/*.in and pyproject.toml ask for
	@$(UV) lock
	@for name in requirements/*.in; do \
	  $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	    --custom-compile-command 'make lock' --output-file "$${name%.in}.txt" "$$name"; \
	done

.PHONY: control-plane
control-plane: $(READY) ## build etcd, kube-apiserver and kubectl for tests into .cache (minutes when cold)
	@$(CONTROL_PLANE) build

# For `make delivery-programs`: those to build, all when empty.
PROGRAMS ?=

.PHONY: delivery-programs
delivery-programs: $(READY) ## build Helm, oras, actionlint, promtool and others for the delivery tests (minutes when cold); PROGRAMS= names some
	@$(DELIVERY) build $(PROGRAMS)

.PHONY: helm
helm: $(READY) ## build Helm 4 alone, which the gate renders and installs the chart with
	@$(DELIVERY) build helm4

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

.PHONY: generate
generate: $(READY) control-plane ## write the files that are built from others
	@$(DELIVERY) generate

.PHONY: record
record: $(READY) control-plane ## record what the operator writes, for Argo CD's health check, and what kubectl shows of it; then generate
	@$(BIN)/pytest tests/delivery/test_recorded.py tests/delivery/test_kubectl_page.py -q --record
	@$(DELIVERY) generate

.PHONY: lint
lint: $(READY)
	$(call say,lint and format)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

.PHONY: types
types: $(READY)
	$(call say,types)
	@$(BIN)/mypy operator tests hack
	$(call say,layers)
	@$(BIN)/lint-imports

UNITS := tests/unit tests/behaviour tests/contract -q -n 2 --junitxml=.cache/test-times/unit.xml

.PHONY: unit
unit: $(READY)
	$(call say,all unit$(comma) behaviour and contract tests)
	@$(BIN)/pytest $(UNITS)

.PHONY: unit-of-the-gate
unit-of-the-gate: $(READY)
	$(call say,unit$(comma) behaviour and contract tests)
	@$(BIN)/pytest $(UNITS) -m 'not beyond'

.PHONY: check
check: lint types unit-of-the-gate ## the fast part of the gate: lint, types, layers, unit and contract tests; no control plane

# The packages that differ from the last commit; the cases of one kind go through nearly all of them.
TOUCHED = $(sort $(shell git diff --name-only HEAD -- operator | cut -d/ -f3))
.PHONY: quick
quick: lint types ## the first answer after an edit: lint, types, unit tests of the packages that differ from HEAD, and the cases of dedicated clusters
	$(call say,unit tests of: $(TOUCHED))
	@$(BIN)/pytest $(wildcard $(addprefix tests/unit/,$(TOUCHED))) tests/behaviour -q -n 2 -x -m 'not beyond' -k 'unit or dedicated'

.PHONY: scanners
scanners: $(READY) $(SCANNERS) control-plane delivery-programs ## other people's scanners over Dockerfile, manifests, workflows, YAML and shell
	@$(BIN)/pytest tests/delivery/test_scanners.py -v

# The variable silences a word about the generator's successor.
.PHONY: docs
docs: $(DOCS) ## build the documentation as a site into .cache/site; each link is checked, nothing is fetched
	@NO_MKDOCS_2_WARNING=1 .cache/docs/bin/mkdocs build
	@echo "the site is in .cache/site; .cache/docs/bin/mkdocs serve shows it while you write"

$(WHEEL_BUILDER): $(UV) pyproject.toml uv.lock
	@UV_PROJECT_ENVIRONMENT=$(@D) $(UV) sync --quiet --locked --only-group build --python $(PYTHON)
	@touch $@

.PHONY: wheel
wheel: $(WHEEL_BUILDER) ## build the wheel into .cache/wheel; twice from one commit is the same wheel twice
	@rm -rf .cache/wheel
	@.cache/build/bin/hatchling build --target wheel --directory .cache/wheel

# For `make image` and `make test-image`: the image's name, another base than the Dockerfile's, and `simulator` instead of the operator.
IMAGE ?=
BASE_IMAGE ?=
TARGET ?= operator

.PHONY: image
image: ## build the image with buildah, podman or docker; IMAGE= names it, BASE_IMAGE= is another base, TARGET=simulator
	@PYTHONPATH=tests:hack $(PYTHON) -m image build --image='$(IMAGE)' --base='$(BASE_IMAGE)' --target='$(TARGET)'

.PHONY: base-image
base-image: ## make a base image from Debian's packages, where no image registry is reached (root, buildah, debootstrap)
	@PYTHONPATH=tests:hack $(PYTHON) -m image base

.PHONY: test-image
test-image: $(READY) control-plane ## look into the built image and run it on a real control plane, its root file system read-only (root)
	@$(BIN)/pytest tests/image -v --image='$(IMAGE)'

.PHONY: explore
explore: $(READY) ## walk small worlds completely, the larger ones too (an hour); NAME= picks some
	@PYTHONPATH=tests:hack $(BIN)/python -m model --deeper "$(NAME)"

# The gate: two lanes beside each other, for the first one mostly waits. It is started first, since the other one has parts that
# would else take both places. Each command's output is shown when it ends.
.PHONY: test
test: lint control-plane helm ## the gate of every change, in about 5 minutes on 2 cores once the programs are built
	@rm -rf .cache/test-times
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=line gate-on-a-control-plane gate-alone
	@PYTHONPATH=tests $(BIN)/python -m support.times

.PHONY: gate-alone
gate-alone: check
	$(call say,small models and random histories)
	@$(BIN)/pytest tests/model tests/histories -q -n 2 -m gate --junitxml=.cache/test-times/model.xml

.PHONY: gate-on-a-control-plane
gate-on-a-control-plane: $(READY)
	$(call say,on the real control plane: integration$(comma) faults$(comma) delivery)
	@$(call waiting,tests/integration tests/faults tests/delivery -m gate,control-plane)

.PHONY: pyright
pyright: $(READY)
	$(call say,types$(comma) as Pylance sees them)
	@$(BIN)/pyright

.PHONY: models
models: $(READY)
	$(call say,all small models and random histories)
	@$(BIN)/pytest tests/model tests/histories -q -n 2 --junitxml=.cache/test-times/model.xml

.PHONY: integration
integration: $(READY)
	$(call say,integration tests)
	@$(call waiting,tests/integration --statuses=.cache/observed-objects.jsonl,integration)

.PHONY: faults
faults: $(READY)
	$(call say,fault tests)
	@$(call waiting,tests/faults --statuses=.cache/observed-in-faults.jsonl,faults)

.PHONY: delivery
delivery: $(READY)
	$(call say,delivery tests)
	@$(call waiting,tests/delivery,delivery)

.PHONY: times
times: $(READY)
	@PYTHONPATH=tests $(BIN)/python -m support.times --tests | tee .cache/test-times/table.txt

.PHONY: test-all
test-all: control-plane delivery-programs $(SCANNERS) $(DOCS) $(WHEEL_BUILDER) ## the gate and all other tests, in about 16 minutes; before a release, and nightly; the result stays in .cache/test-all.txt
	@$(CONTROL_PLANE) build-controller-manager
	@rm -rf .cache/test-times
	@PYTHONPATH=tests $(BIN)/python -m support.suites lint types unit models -- integration faults delivery pyright
	@$(MAKE) --no-print-directory times

.PHONY: test-oldest
test-oldest: $(READY) ## the CRD, the main job and the policies on the oldest Kubernetes that is supported, built into .cache (minutes when cold)
	@$(CONTROL_PLANE) build-oldest
	$(call say,on the oldest Kubernetes)
	@KUBEBUILDER_ASSETS=.cache/control-plane-oldest $(BIN)/pytest tests/integration/test_crd.py tests/integration/test_main_job.py \
	  tests/delivery/test_policies.py -q

MINUTES ?= 20
# Each seed is one history of true time.
SEEDS ?= 0-49
.PHONY: soak
soak: $(READY) control-plane ## random edits under random faults for MINUTES (20), outages of true length, then histories of SEEDS (0-49)
	@$(BIN)/pytest tests/faults/test_soak.py tests/faults/test_outages.py tests/faults/test_histories.py -q -s \
	  --minutes=$(MINUTES) --seeds=$(SEEDS)

.PHONY: histories
histories: $(READY) control-plane ## the histories of SEEDS alone, as to replay one that went wrong: SEEDS=15-19
	@$(BIN)/pytest tests/faults/test_histories.py -q -s --seeds=$(SEEDS)

.PHONY: dashboard-picture
dashboard-picture: $(READY) control-plane ## draw docs/pictures/dashboard.svg from a real run and a real Prometheus (PROMETHEUS= names it)
	@PYTHONPATH=tests:hack $(BIN)/python -m dashboard

.PHONY: demo
demo: $(READY) control-plane ## the whole story on this machine in a minute; KEEP=1 leaves it running
	@PYTHONPATH=tests:hack $(BIN)/python -m demo

# For `make conform`: the ID of the project, families and a region of AWS, or what a run has named as left; another Atlas.
PROJECT ?=
FAMILIES ?=
REGION ?=
REMOVE ?=
ATLAS_URL ?=

.PHONY: conform
conform: $(READY) ## try in PROJECT, which is for tests, what nobody has confirmed of Atlas; it makes endpoints of FAMILIES, and removes them
	@PYTHONPATH=hack $(BIN)/python -m conform $(if $(PROJECT),--project $(PROJECT)) $(if $(FAMILIES),--families $(FAMILIES)) \
	  $(if $(REGION),--region $(REGION)) $(if $(REMOVE),--remove $(REMOVE)) $(if $(ATLAS_URL),--atlas-url $(ATLAS_URL))

# For `make bench`: which rows (all when empty), how often, and the share of the full size.
ROWS ?=
ROUNDS ?= 5
SCALE ?= 1

# Ours runs as users run it: without what development needs, on an interpreter that is optimised as the image's is.
BENCH_PYTHON ?= $(firstword $(wildcard /usr/bin/python3) $(PYTHON))
.cache/benchmark/.synced: $(UV) pyproject.toml uv.lock
	@UV_PROJECT_ENVIRONMENT=$(@D)/environment $(UV) sync --quiet --locked --no-dev --python $(BENCH_PYTHON)
	@touch $@

.PHONY: bench
bench: $(READY) .cache/benchmark/.synced ## measure the operator beside a peer in Go; a quick look: ROWS=edit,burst ROUNDS=1 SCALE=0.1
	@PYTHONPATH=tests:hack $(BIN)/python -m benchmarks --rows '$(ROWS)' --rounds $(ROUNDS) --scale $(SCALE)
