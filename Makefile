# The commands that people and CI use are the same; `make help` lists them.
# INSTALL=1 lets the targets install Debian packages and start a container engine (as root); without it they say what is missing.
# CONTEXT=name uses a cluster that you already have instead of making one.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

UV_VERSION := 0.13.9
UV := $(if $(shell command -v uv),uv,.uv/bin/uv)
RUN := $(UV) run --frozen
CLUSTER := $(RUN) python -m e2e.cluster
COVERAGE := --cov
export CONTEXT INSTALL

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  \033[1m%-14s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.uv/bin/uv:
	@echo "uv is not installed: fetching version $(UV_VERSION) into .uv"
	@python3 -m venv .uv || { echo "make: python3 cannot make a virtual environment: install uv, or python3-venv" >&2; exit 2; }
	@.uv/bin/pip install --quiet uv==$(UV_VERSION)

.venv/.synced: pyproject.toml operator/pyproject.toml service/pyproject.toml uv.lock $(filter .uv/bin/uv,$(UV))
	@$(UV) sync --frozen
	@touch $@

.PHONY: setup
setup: .venv/.synced ## Install the pinned Python packages into .venv

.PHONY: lint
lint: setup ## Check style and the layers
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) lint-imports

.PHONY: type
type: setup ## Check types
	$(RUN) mypy
	$(RUN) mypy tests e2e bench release

.PHONY: hooks
hooks: setup ## Have git run `make lint type` before each commit
	$(RUN) pre-commit install

.PHONY: format
format: setup ## Format the code
	$(RUN) ruff format
	$(RUN) ruff check --fix

.PHONY: tools
tools: setup ## Build or find etcd, kube-apiserver, kubectl, helm (about 8 minutes the first time)
	$(CLUSTER) tools

.PHONY: redis-server pgbouncer
redis-server pgbouncer:  # by INSTALL=1 only: else Redis comes as a wheel, and PgBouncer's cases say why they are skipped
	@[ "$(INSTALL)" != 1 ] || PATH="$$PATH:/usr/sbin" command -v $@ >/dev/null || { \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -o DPkg::Lock::Timeout=600 -y -qq --no-install-recommends $@ >/dev/null; }

.PHONY: test
test: setup redis-server pgbouncer tools ## Run the tests that need no Docker, with coverage (ARGS="-k word" chooses, without)
	$(RUN) pytest -n 3 --dist loadfile $(or $(ARGS),$(COVERAGE))  # three files at a time, each with servers of its own: most of them wait

.PHONY: golden
golden: setup ## Rewrite the golden files from what the builders give now
	UPDATE_GOLDEN=1 $(RUN) pytest -q tests/operator -k golden
	UPDATE_GOLDEN=1 $(RUN) pytest -q tests/contract/test_otlp_page.py

.PHONY: docs
docs: setup ## Write the pages that are generated from the code
	UPDATE_GOLDEN=1 $(RUN) pytest -q tests/contract/test_conditions_page.py tests/operator/test_checklist.py -k page

.PHONY: crds
crds: setup ## Generate the CRDs and the page of their fields from the models
	$(RUN) analytics-operator crd --write crds/analyticsapis.yaml --write charts/crds/templates/analyticsapis.yaml \
		--fields docs/operator/fields.md

.PHONY: kustomize
kustomize: setup ## Render the kustomize base from the chart
	UPDATE_GOLDEN=1 $(RUN) pytest -q tests/operator/test_kustomize.py -k renders

.PHONY: charts
charts: setup ## Generate the page of the chart's values, and that of the operator's permissions
	UPDATE_GOLDEN=1 $(RUN) pytest -q tests/operator/test_charts.py tests/operator/test_permissions.py -k page

.PHONY: images
images: setup ## Build the container images of operator and service
	$(CLUSTER) images

.PHONY: cluster
cluster: setup ## Bring up a kind cluster, or use CONTEXT
	$(CLUSTER) up

.PHONY: cluster-down
cluster-down: setup ## Remove the kind cluster; caches stay
	$(CLUSTER) down

.PHONY: e2e
e2e: cluster images ## Run the end-to-end tests on the cluster (ARGS="-k word" chooses)
	$(CLUSTER) load
	$(RUN) pytest e2e --ignore=e2e/full $(ARGS)

.PHONY: e2e-addons
e2e-addons: cluster images ## Autoscaling, an ingress controller and upgrades on the cluster, with add-ons built from Go modules
	$(CLUSTER) load
	$(RUN) pytest e2e/full $(ARGS)

.PHONY: fresh
fresh: setup ## Try `make try` and `make test` in bare Debian roots, as root there (ARGS="--suite trixie" chooses)
	@$(RUN) python -m e2e.fresh $(ARGS)

.PHONY: collector
collector: setup ## Build OpenTelemetry's Collector, and send by gRPC through it (minutes the first time)
	$(RUN) python -m tests.clients.environment
	$(RUN) pytest tests/clients/test_collector.py

.PHONY: soak
soak: setup ## Kill `serve` 200 times while clients send, and compare what it answered with what is stored (half an hour)
	KILLS=200 $(RUN) pytest -q --log-cli-level=info tests/service/receiver/test_killed.py

.PHONY: e2e-full
e2e-full: fresh collector e2e-addons ## What takes longer than CI may: run by hand, dated in docs/e2e-full.md

.PHONY: demo
demo: cluster images ## One resource becomes a running service that answers questions about real data
	$(CLUSTER) load
	@$(RUN) python -m e2e.demo

.PHONY: try
try: setup ## The service alone, on an embedded PostgreSQL: no Docker, no root (ARGS=--once stops after the tables)
	@$(RUN) analytics-service try $(ARGS)

.PHONY: release
release: setup ## Make a release of what is committed (VERSION=x.y.z; IMAGES=1 builds the images too): docs/releases.md
	@test -n "$(VERSION)" || { echo "make: name the release: make release VERSION=x.y.z" >&2; exit 2; }
	@$(RUN) python -m release $(VERSION) $(if $(filter 1,$(IMAGES)),--images)

.PHONY: clean
clean: ## Remove what was made inside the clone (caches outside it stay)
	rm -rf .venv .uv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage

.PHONY: bench
bench: ## The short form of bench-service, without latency
	@$(MAKE) --no-print-directory bench-service ARGS="--rounds 3 --seconds 0 $(ARGS)"

.PHONY: bench-service
bench-service: setup redis-server ## Measure what a request costs, beside FastAPI, axum and pgbench (cargo builds axum's, once)
	@$(RUN) python -m bench.service $(ARGS)

.PHONY: bench-routes
bench-routes: setup redis-server ## Measure a question of each route over 1 and 20 million rows (20 minutes; ARGS="--sizes 100000" is short)
	@$(RUN) python -m bench.service.routes $(ARGS)

.PHONY: bench-db
bench-db: setup ## Measure the store: import, dashboards, late rows, disk (20 M rows: ARGS="--sizes 1000000" is shorter)
	@$(RUN) python -m bench.database $(ARGS)

.PHONY: bench-live
bench-live: setup redis-server ## Measure the store while rows arrive (hours; ARGS="--scenarios log --log-seconds 60" is short)
	@$(RUN) python -m bench.live $(ARGS)

.PHONY: bench-ingest
bench-ingest: setup ## Measure rows over HTTP, beside FastAPI, axum and COPY (ARGS="--rounds 1 --seconds 2 --loads" is short)
	@$(RUN) python -m bench.ingest $(ARGS)

.PHONY: bench-operator
bench-operator: setup tools ## Measure what the operator costs at 10, 100 and 1,000 resources (ARGS="--sizes 3000")
	@$(RUN) python -m bench.operator $(ARGS)
