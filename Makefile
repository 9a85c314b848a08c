# `make` alone says what there is. Every target sets up what it needs: with Debian's python3 and make nothing else has to
# be installed first, and nothing outside this folder is changed.

SPEC ?= tollbook.yaml
OUT ?= out
PYTHON ?= python3
# How many tests run at once; 0 runs them in one process, for a debugger.
JOBS ?= auto

VENV := .venv
TOLLBOOK := $(VENV)/bin/python -m tollbook.gen
OLDEST := .tools/prometheus-oldest
NEWEST := .tools/prometheus-newest
SET_UP := pyproject.toml .ci/constraints.txt .ci/setup-python .ci/apt.sh

export PYTHON
# A promtool of the machine's own comes first.
export PATH := $(PATH):$(CURDIR)/$(OLDEST)

.PHONY: help
help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: generate
generate: $(VENV)/.ready-run promtool ## build OUT (out) from SPEC (tollbook.yaml) and prove it with promtool
	@$(TOLLBOOK) generate --spec '$(SPEC)' --out '$(OUT)'

.PHONY: check
check: $(VENV)/.ready-run ## fail where OUT is not what SPEC gives, and show the difference
	@$(TOLLBOOK) check --spec '$(SPEC)' --out '$(OUT)'

.PHONY: test
test: $(VENV)/.ready-dev prometheus alertmanager ## run the tests, with the oldest and newest Prometheus there is; ARGS for pytest
	$(VENV)/bin/python -m pytest --numprocesses $(JOBS) --dist loadgroup --ignore=tests/servers $(ARGS)

# Each file waits for its servers most of the time, so they run side by side whatever the number of cores.
.PHONY: test-servers
test-servers: $(VENV)/.ready-dev prometheus victoriametrics ## play scenarios on real servers: Prometheus, and VictoriaMetrics with vmalert
	$(VENV)/bin/python -m pytest --numprocesses 4 --dist loadfile tests/servers $(ARGS)

.PHONY: lint
lint: $(VENV)/.ready-dev types check ## ruff, mypy, and out/ up to date
	$(VENV)/bin/ruff check

.PHONY: golden
golden: $(VENV)/.ready-dev generate ## refresh every generated file in the repository, then run the tests, which must pass
	$(VENV)/bin/python tests/reference.py
	$(MAKE) test

.PHONY: bench
bench: $(VENV)/.ready-dev prometheus ## measure how exactly the rules count money, beside those of 0.1.0; ARGS="--seeds 5"
	$(VENV)/bin/python -m bench $(ARGS)

.PHONY: demo
demo: $(VENV)/.ready-run ## run the demo without Docker until Ctrl-C: simulator, Prometheus, Alertmanager; ARGS="--days 2"
	@.ci/setup-prometheus newest || true
	@.ci/setup-alertmanager newest || true
	@PATH="$(CURDIR)/$(NEWEST):$(CURDIR)/.tools/alertmanager-newest:$$PATH" $(VENV)/bin/python -m demo.processes --folder .demo $(ARGS)

.PHONY: mutation
mutation: $(VENV)/.ready-dev prometheus ## damage the rules one fact at a time: which damages do the tests miss?
	$(VENV)/bin/python tests/mutation.py $(ARGS)

.PHONY: dist
dist: $(VENV)/.ready-dev ## build the sdist, and from it the wheel, into dist/
	rm -rf build dist
	$(VENV)/bin/python -m build --no-isolation

.PHONY: clean
clean: ## remove everything the other targets made, the set-up included
	rm -rf .demo .dev .hypothesis .mypy_cache .pytest_cache .ruff_cache .tools $(VENV) build dist tollbook.egg-info
	find bench dashboards demo gen rules tests -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- What the targets above need -------------------------------------------------------------------------

$(VENV)/.ready-%: $(SET_UP)
	@.ci/setup-python $*

# Where it cannot be had the command that needs it says so, and what to do.
.PHONY: promtool
promtool:
	@test -n "$$TOLLBOOK_PROMTOOL" || command -v promtool >/dev/null || .ci/setup-prometheus oldest || true

.PHONY: prometheus
prometheus:
	@.ci/setup-prometheus oldest || true
	@.ci/setup-prometheus newest || true

.PHONY: alertmanager
alertmanager:
	@.ci/setup-alertmanager oldest || true
	@.ci/setup-alertmanager newest || true

.PHONY: victoriametrics
victoriametrics:
	@.ci/setup-victoria-metrics || true

# mypy knows the folders as tollbook.gen and so on through a link to here.
.PHONY: types
types: $(VENV)/.ready-dev
	@mkdir -p .dev && ln -sfn .. .dev/tollbook
	$(VENV)/bin/mypy
	$(VENV)/bin/mypy tests bench demo
