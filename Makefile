# genzoo: everything a checkout can do. Needs Linux, Python 3.11 or newer, and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# for `make bench-torch` alone: PyTorch is no dependency. TORCH_PIP may name an index of builds without CUDA
TORCH_VENV := .venv-torch
TORCH_READY := $(TORCH_VENV)/.ready
TORCH_PIP ?=
# for `make runtimes` alone: what else runs the exported files
RUNTIMES_VENV := .venv-runtimes
RUNTIMES_READY := $(RUNTIMES_VENV)/.ready
# for `make docs` alone: what builds the site
DOCS_VENV := .venv-docs
DOCS_READY := $(DOCS_VENV)/.ready
# of a bench, such as ARGUMENTS="--only=dcgan_32_8 --seconds=5"
ARGUMENTS ?=

.PHONY: help setup demo docs test test-all lint format theory uses bench bench-server bench-workers bench-torch bench-gpu results runtimes wheel lock clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1	\2/' | expand -t 18

setup: $(READY) ## create .venv with the pinned dependencies

# pip compiles nothing: Python itself compiles the third of 14,000 modules that it imports
$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "genzoo needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@if command -v uv >/dev/null; then \
		echo "installing the pinned dependencies with uv"; \
		uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt; \
	else \
		echo "installing the pinned dependencies (about 1.5 GB, a few minutes)"; \
		$(BIN)/python -m pip install --quiet --no-compile --require-hashes -r requirements/dev.txt; \
	fi
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# what `make demo` samples first: those that need no condition
PRESETS := rpgan_fashion_mnist projection_gan_fashion_mnist vae_mnist

demo: $(READY) ## sample what comes along, then train on real digits, export, sample without TensorFlow: minutes
	@mkdir -p runs/presets
	@for preset in $(PRESETS); do \
		$(BIN)/python -m serving.sample --preset=$$preset --output=runs/presets/$$preset.png || exit 1; \
	done
	$(BIN)/python -m train --recipe=dcgan_digits --workdir=runs/demo
	$(BIN)/python -m export --workdir=runs/demo --output=runs/demo/bundle --overwrite
	$(BIN)/python -m serving.sample --bundle=runs/demo/bundle --count=64 --seed=0 --output=runs/demo/sampled.png
	@echo
	@echo "Look at:"
	@echo "  runs/presets/            what models that come along make"
	@echo "  runs/demo/samples/       the same 64 noises as training went on"
	@echo "  runs/demo/training.gif   the same as an animation"
	@echo "  runs/demo/curves.png     the losses"
	@echo "  runs/demo/sampled.png    64 samples by onnxruntime alone"
	@echo "  runs/demo/bundle/        what an app or a server needs: start with its README.md"
	@echo "Try next:"
	@echo "  $(BIN)/python -m train --recipe=nade_digits --workdir=runs/nade"
	@echo "  $(BIN)/python -m train --recipe=few_pictures --workdir=runs/mine --config.data.name=folder:/path/to/your/pictures"

# two processes, each with a TensorFlow of its own: most of a test is Python that traces, on one core
PYTEST := $(BIN)/python -m pytest --numprocesses=2 --dist=loadfile

# in several runs, since a process keeps what TensorFlow has traced and XLA compiled: in one it came to 15 GB
CONFORMANCE := 1/4 2/4 3/4 4/4
REST := --ignore=tests/conformance --ignore=tests/train

test: $(READY) ## run the tests (minutes)
	for part in $(CONFORMANCE); do $(PYTEST) -m "not slow" tests/conformance --part=$$part || exit 1; done
	$(PYTEST) -m "not slow" tests/train
	$(PYTEST) -m "not slow" $(REST)

test-all: $(READY) ## run all the tests, the slow ones included
	for part in $(CONFORMANCE); do $(PYTEST) tests/conformance --part=$$part || exit 1; done
	$(PYTEST) tests/train
	$(PYTEST) $(REST)

lint: $(READY) ## ruff, and mypy on the parts that run without TensorFlow
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

theory: $(READY) ## measure what the theory claims, claim by claim, on one page: minutes
	$(BIN)/python -m train.theory --output=runs/theory

uses: $(READY) ## write the page docs/uses about what generators are good for, from what is stored there
	$(BIN)/python -m train.uses --output=docs/uses

bench: $(READY) ## measure the trainer's overhead, the runtimes, the samplers and the server side by side
	$(BIN)/python tests/bench.py
	$(BIN)/python tests/bench_server.py

bench-server: $(READY) ## measure what a request costs the server, beside a bare run of the network
	$(BIN)/python tests/bench_server.py

bench-workers: $(READY) ## measure what several processes pay for training one batch together
	$(BIN)/python tests/bench_workers.py

bench-torch: $(READY) $(TORCH_READY) ## measure a training step beside PyTorch's, in an environment of its own
	$(BIN)/python tests/bench_torch.py --torch=$(TORCH_VENV)/bin/python $(ARGUMENTS)

bench-gpu: $(READY) ## measure a training step on a GPU, beside PyTorch's where there is one, then train: 13 minutes
	$(BIN)/python tests/gpu/bench_gpu.py --output=runs/bench-gpu $(ARGUMENTS)

$(TORCH_READY): requirements/torch.txt
	$(PYTHON) -m venv $(TORCH_VENV)
	@echo "installing PyTorch into $(TORCH_VENV)"
	$(TORCH_VENV)/bin/python -m pip install --quiet -r requirements/torch.txt $(TORCH_PIP)
	@touch $@

results: $(READY) ## write the stored results into docs/results, what recipes and presets say into docs and README.md
	$(BIN)/python tests/results.py
	$(BIN)/python tests/model_pages.py

docs: $(DOCS_READY) ## build the documentation as a site: site/index.html
	NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/python -m mkdocs build --quiet
	@echo "Look at site/index.html, or where it can be searched: python3 -m http.server --directory site"

$(DOCS_READY): requirements/docs.txt
	$(PYTHON) -m venv $(DOCS_VENV)
	$(DOCS_VENV)/bin/python -m pip install --quiet --no-compile --require-hashes -r requirements/docs.txt
	@touch $@

runtimes: $(READY) $(RUNTIMES_READY) ## run every map in every other runtime, write the table in docs/embedding.md (needs npm)
	RUNTIMES_PYTHON=$(RUNTIMES_VENV)/bin/python NODE_PATH=$(RUNTIMES_VENV)/node_modules \
		$(BIN)/python tests/runtimes.py $(ARGUMENTS)

$(RUNTIMES_READY): requirements/runtimes.txt
	$(PYTHON) -m venv $(RUNTIMES_VENV)
	$(RUNTIMES_VENV)/bin/python -m pip install --quiet -r requirements/runtimes.txt
	@# their scripts would fetch CUDA libraries
	npm install --silent --no-save --ignore-scripts --prefix $(RUNTIMES_VENV) onnxruntime-node@1.30.0 onnxruntime-web@1.30.0
	@touch $@

wheel: $(READY) ## build dist/genzoo-*.whl
	$(BIN)/python -m build --wheel --no-isolation --outdir dist .

lock: ## compile requirements/dev.txt and docs.txt anew (needs uv)
	uv pip compile --universal --python-version 3.11 --extra train --extra audio --extra server --generate-hashes --quiet \
		--no-emit-index-url --no-emit-find-links --output-file requirements/dev.txt pyproject.toml requirements/dev.in
	uv pip compile --universal --python-version 3.11 --generate-hashes --quiet \
		--no-emit-index-url --no-emit-find-links --output-file requirements/docs.txt requirements/docs.in

clean: ## remove what was built, but not the runs
	rm -rf $(VENV) $(TORCH_VENV) $(RUNTIMES_VENV) $(DOCS_VENV) site dist build .pytest_cache .ruff_cache .mypy_cache .hypothesis
