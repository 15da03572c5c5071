# Two commands on a fresh machine: `make demo` and `make test`.
.DEFAULT_GOAL := help
.PHONY: help install demo test coverage test-unit test-extended test-kernels fuzz faults soak overload test-pythons test-another-python image check-deploy check-manifests check-vo lint web web-check web-audit docs docs-update pictures bench bench-interruption bench-steady flame-graphs bench-extract bench-associate bench-alert bench-attack bench-api bench-page bench-paint bench-decide clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed.stamp
PYTEST_OPTIONS ?=
KERNEL_TESTS := tests/unit/services/extract tests/unit/sky/test_margin.py
# Processes that run tests; 0 is the one in front of you, which a debugger needs. The whole suite
# takes three times as many: some of its tests wait for sessions that expire and servers that are away.
ifdef WORKERS
ALL_WORKERS := $(WORKERS)
else
WORKERS := 2
ALL_WORKERS := 6
endif
# A worker takes file by file, in the order of tests/conftest.py.
PARALLEL = -n $(ALL_WORKERS) --dist loadfile --no-loadscope-reorder

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

install: $(STAMP)  ## .venv with everything, and Apache Kafka fetched and linked for offline, fast starts

# Who names an interpreter wants to know whether .venv is made by it.
ifneq ($(origin PYTHON),file)
.PHONY: $(STAMP)
endif
$(STAMP): pyproject.toml constraints.txt
	@install/make_venv.sh $(VENV) $(PYTHON) dev
	@$(BIN)/livetrap fetch
	@touch $@

demo: install  ## a simulated sky, the whole service and its alerts; Ctrl-C stops it
	@$(BIN)/livetrap demo

test: install  ## the whole test suite, against a real Kafka and PostgreSQL it starts itself (8 to 13 min on two cores)
	$(BIN)/python -m pytest -q $(PARALLEL) --hypothesis-profile=full $(PYTEST_OPTIONS)

# Counting lines costs more than the tests do: allow half an hour. Kernels are counted uncompiled.
# Folder by folder: after a failure, or a Ctrl-C, the next call goes on with the folder that is not
# done. Each has a place of its own for its data, as pytest-cov deletes what others have left.
COVERED ?= unit consistency end_to_end tutorials fuzz hostile $(patsubst tests/%/,%,$(wildcard tests/integration/*/))
COVERAGE := build/coverage
COVERAGE_PARTS := $(COVERED:%=$(COVERAGE)/%/done) $(COVERAGE)/kernels/done
coverage: $(STAMP) $(COVERAGE_PARTS)  ## branch coverage of the whole suite, also of the processes it starts; the table. COVERED=unit for a part
	$(BIN)/coverage combine --quiet --keep $(COVERAGE_PARTS:done=.coverage)
	$(BIN)/coverage report --skip-covered
	rm -rf $(COVERAGE)
	$(BIN)/coverage report --include 'services/*' --fail-under 90 --format total
	$(BIN)/coverage report --include 'api/*' --fail-under 90 --format total

$(COVERAGE)/kernels/done: export NUMBA_DISABLE_JIT = 1
$(COVERAGE)/kernels/done: | $(STAMP)
	@mkdir -p $(@D)
	COVERAGE_FILE=$(abspath $(@D))/.coverage $(BIN)/python -m pytest -q $(PARALLEL) --timeout 900 \
		$(KERNEL_TESTS) -m 'not compiled_kernels' --cov --cov-report= $(PYTEST_OPTIONS)
	@touch $@

$(COVERAGE)/%/done: | $(STAMP)
	@mkdir -p $(@D)
	COVERAGE_FILE=$(abspath $(@D))/.coverage $(BIN)/python -m pytest -q $(PARALLEL) --timeout 900 \
		tests/$* --cov --cov-report= $(PYTEST_OPTIONS)
	@touch $@

test-pythons:  ## the unit tests on each supported Python of this machine, in throw-away environments
	@install/test_pythons.sh

test-another-python: install  ## the unit tests on the newest Python here that is not the one of .venv
	@install/test_pythons.sh --besides $(BIN)/python

test-unit: install  ## the unit tests alone; they start no server
	$(BIN)/python -m pytest -q -n $(WORKERS) tests/unit $(PYTEST_OPTIONS)

test-extended: install  ## what takes minutes: two whole stacks in odd folders, locales and time zones
	$(BIN)/python -m pytest -q -m extended $(PYTEST_OPTIONS)

# Compiled code has no bounds that it checks, and no lines that are counted: here it has.
# What compares the machine code of processors compiles all kernels for each: once here, not in `test`.
test-kernels: install  ## the kernels as plain Python, with their coverage; compiled with bounds checks; and for other processors
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -n $(WORKERS) $(KERNEL_TESTS) -m 'not compiled_kernels' \
		--cov=services.extract.kernels --cov-report=term-missing $(PYTEST_OPTIONS)
	NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=$(abspath $(VENV))/numba-boundscheck \
		$(BIN)/python -m pytest -n $(WORKERS) $(KERNEL_TESTS) $(PYTEST_OPTIONS)
	$(BIN)/python -m pytest -n $(WORKERS) -m machine_code tests/integration/extract $(PYTEST_OPTIONS)

# Say FUZZ_SEED=7 for other mutants, FUZZ_MUTANTS=1000 for fewer. Of these 45 % are images, 20 %
# records of detections-v1, 12 % events, 8 % forced requests, 8 % forced measurements, 7 % packets.
fuzz: install  ## unit properties on new examples, 20 000 damaged messages through the handlers, 500 through a whole stack, 50 questions a path (4 min, with much other work 20)
	$(BIN)/python -m pytest -q -n $(WORKERS) --hypothesis-profile=explore tests/unit $(PYTEST_OPTIONS)
	FUZZ_MUTANTS=$(or $(FUZZ_MUTANTS),20000) $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile \
		--timeout 3600 tests/fuzz $(PYTEST_OPTIONS)
	FUZZ_STACK_MUTANTS=$(or $(FUZZ_STACK_MUTANTS),500) \
		$(BIN)/python -m pytest -q tests/fuzz/test_stack_mutants.py $(PYTEST_OPTIONS)
	FUZZ_API_EXAMPLES=$(or $(FUZZ_API_EXAMPLES),50) \
		$(BIN)/python -m pytest -q tests/integration/api/test_fuzz.py $(PYTEST_OPTIONS)

# Say SEED=7 for other faults and another sky, MINUTES=5 KILLS=100 for a shorter run.
faults: install  ## kill, freeze and starve a running stack; compare with an undisturbed run (about 20 min)
	$(BIN)/python -m tests.faults --seed $(or $(SEED),1) --minutes $(or $(MINUTES),15) --kills $(or $(KILLS),300)

# Say MINUTES=15 for a shorter one; the first 5 are not fitted.
soak: $(VENV)/bench.stamp  ## memory and file descriptors of every process under 8 images/s (1 h)
	$(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),60) --plot docs/images/soak.png

# Say MINUTES=1 for a short one, a quarter of an hour at most: six to work off what is sent in one.
overload: $(VENV)/bench.stamp  ## ten times the throughput for up to MINUTES=5, and the time to work it off (1 h)
	$(BIN)/python -m benchmarks.overload --minutes $(or $(MINUTES),5) --plot docs/images/overload.png

# Users need no Node: the result is committed, and the wheel carries it.
web: api/web/node_modules  ## build the page from api/web/src into api/web/built (Node 20)
	cd api/web && npm run --silent build

api/web/node_modules: api/web/package-lock.json
	cd api/web && npm ci --silent --no-audit --no-fund
	@touch $@

web-check:  ## types of the page, and whether a fresh build gives the committed bytes
	@if ! command -v npm >/dev/null; then echo "web-check: skipped, no npm here (Node 20)"; \
	elif ! $(MAKE) --no-print-directory api/web/node_modules; then echo "web-check: skipped, npm could not install the build tools"; \
	else cd api/web && npm run --silent check; fi

# Of what is built with, only preact is shipped. The registry's own service knows the faults.
web-audit: api/web/node_modules  ## known faults of the page's packages, into api/web/audit.json (needs the registry's service)
	@cd api/web && npm audit --json > build-audit.json; \
	if grep -q '"auditReportVersion"' build-audit.json; then mv build-audit.json audit.json && npm audit; \
	else rm build-audit.json; echo "web-audit: the registry of npm here has no such service: nothing was written"; fi

lint: install  ## style, types, architecture, SQL, spelling, docstrings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint --disable-progress-bar schemas/sql services api livetrap docs/extensions runtime
	$(BIN)/codespell
	$(BIN)/python -m numpydoc lint $$(git ls-files 'sky/*.py' 'services/*.py' 'schemas/*.py' 'rules/*.py' 'runtime/*.py' 'api/*.py' 'livetrap/*.py' 'docs/extensions/*.py')

docs: install  ## the documentation site in docs/build; needs no network, and a warning is an error
	$(BIN)/python -m sphinx -W --keep-going -q -b html -d docs/build/.doctrees docs docs/build/html
	@echo "docs/build/html/index.html"

docs-update: install  ## record what the tutorials print, and the data model of the schema
	UPDATE_DOCS=1 $(BIN)/python -m pytest -q tests/tutorials tests/integration/docs

# Look at them before you commit them.
pictures: install  ## photograph every page and state of the tests into docs/images/pages, light and dark
	UPDATE_PICTURES=1 $(BIN)/python -m pytest -q tests/end_to_end/test_page_pictures.py \
		tests/end_to_end/test_page_states.py

# Say IMAGE_OPTIONS="--build-arg BASE=..." for another base, IMAGE=name:tag for another name.
image:  ## a container image with every service, by docker, podman or buildah
	@deploy/image/build.sh $(IMAGE_OPTIONS)

# The first run builds the control plane, 10 min of CPU; CONTROL_PLANE names one that is ready.
# SHARED_CRDS names a folder with the definitions of CloudNativePG, which no registry has.
check-deploy: install  ## the manifests against a real API server and the schemas of the operators (needs Go and kubectl; Maven for Strimzi)
	$(BIN)/python -m pytest -q -rs -m cluster tests/cluster $(PYTEST_OPTIONS)

# What takes minutes at most: neither root nor a control plane; promtool only where it is built.
check-manifests: export CHECK_DEPLOY = light
check-manifests: install  ## the part of check-deploy that needs neither root nor a control plane: schemas, rollouts, growing topics, a restored backup (5 min)
	$(BIN)/python -m pytest -q -rs -m cluster tests/cluster/test_schemas.py tests/cluster/test_compose.py tests/cluster/test_alert_rules.py \
		tests/cluster/test_image_contents.py tests/cluster/test_rollout.py \
		tests/cluster/test_more_partitions.py tests/cluster/test_restore.py $(PYTEST_OPTIONS)

check-vo: install  ## what STILTS says of the services of the Virtual Observatory (needs the Debian package stilts)
	$(BIN)/python -m pytest -q -m stilts -rs tests/integration/api $(PYTEST_OPTIONS)

# Say COMPARE=OLD.json to compare with an earlier build/bench.json, QUICK=1 for small images.
bench: $(VENV)/bench.stamp  ## all figures in one table, with JSON: source finder and peers, whole stack (half an hour)
	$(BIN)/python -m benchmarks.bench $(if $(COMPARE),--compare $(COMPARE)) $(if $(QUICK),--quick)

bench-interruption: $(VENV)/bench.stamp  ## latency at 90 % of the sustained rate, interrupted for 30 s (10 min)
	$(BIN)/python -m benchmarks.interruption --plot docs/images/interruption.png

# The sampler reads the memory of other processes: where the system forbids that, run it as root.
flame-graphs: install  ## where extract and associate spend their time, into docs/images (3 min)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check py-spy==0.4.3
	$(BIN)/python -m benchmarks.flame_graphs --folder docs/images

# Say RATE=30 MINUTES=10 for another run.
bench-steady: install  ## latency of alerts under images at a steady rate: 16 a second for an hour
	$(BIN)/python -m benchmarks.steady --rate $(or $(RATE),16) --minutes $(or $(MINUTES),60)

$(VENV)/bench.stamp: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,bench]'
	@touch $@

bench-extract: $(VENV)/bench.stamp  ## the source finder beside SEP, PySE and photutils (some minutes)
	$(BIN)/python -m benchmarks.bench_extract --plots docs/images

bench-alert: install  ## latency of an alert on each channel, fan-out to 512 subscribers, beside Comet (1 min)
	$(BIN)/python -m benchmarks.bench_alert

bench-attack: install  ## latency of alerts in peace and under attack, with 512 subscribers (3 min)
	$(BIN)/python -m benchmarks.bench_attack

bench-api: install  ## the figures of the API over 1e6 sources and 1e7 detections, the server on one core (6 min)
	$(BIN)/python -m benchmarks.bench_api

# Eight hours are the whole of it: say MINUTES=15 for a shorter run.
bench-page: install  ## memory of a page that stays open while 10 alerts come a second (8 h)
	$(BIN)/python -m benchmarks.page_memory --minutes $(or $(MINUTES),480)

bench-paint: install  ## first paint of every page, cold, and the frames of a panned plane of 100 000 sources (3 min)
	$(BIN)/python -m benchmarks.page_speed

bench-decide: install  ## what the decisions find and invent, on simulated light curves, beside TraP (5 min)
	$(BIN)/python -m benchmarks.bench_decide --full

bench-associate: install  ## CPU and wall clock of a timestep by catalogue size, and against TraP's SQL (2 min)
	$(BIN)/python -m benchmarks.bench_associate

clean:  ## remove what was built and cached here; the data of installations stay
	rm -rf $(VENV) build dist docs/build docs/generated ./*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
