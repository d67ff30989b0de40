# Each target makes the virtual environment it needs; run `make demo` first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SOURCES := proto/underpaint/contract engines edge orchestrator cloud sdk training benchmarks docs
PROTOC := -m grpc_tools.protoc -Iproto
GENERATE = $(BIN)/python $(PROTOC) --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc \
	--python_out=$(1) --pyi_out=$(1) --grpc_python_out=$(1) --mypy_grpc_out=quiet:$(1) \
	proto/underpaint/v1/*.proto

.PHONY: demo test test-gpu check docs families bench bench-control soak keep-release proto clean

demo: $(READY)
	$(BIN)/underpaint demo

# What starts services runs alone; the rest on two cores, a file at a time.
test: $(READY)
	$(BIN)/python -m pytest --ignore=tests/unit
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile tests/unit

# On a machine with a CUDA device; fetches the quantisers.
test-gpu: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable ".[quantise]"
	$(BIN)/python -m pytest -m gpu

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(SOURCES)
	$(BIN)/lint-imports
	$(BIN)/buf lint proto
	rm -rf .proto-check && mkdir .proto-check
	$(call GENERATE,.proto-check)
	for file in .proto-check/underpaint/v1/*; do \
		cmp $$file proto/underpaint/v1/$$(basename $$file) || exit 1; done
	rm -rf .proto-check

docs: $(READY)
	$(BIN)/python -m sphinx --builder html --fail-on-warning --keep-going --quiet docs site

# The table of families in the README.
families: $(READY)
	$(BIN)/underpaint models families --markdown > .families.md
	sed -i -e '/<!-- families -->/,/<!-- end of families -->/{//!d;}' \
		-e '/<!-- families -->/r .families.md' README.md
	rm .families.md

bench: $(READY)
	$(BIN)/python -m benchmarks

# LiteLLM is installed into .bench-venv, a virtual environment of its own.
PROMOTIONS ?= 1000000
bench-control: $(READY)
	$(BIN)/python -m benchmarks.control --promotions $(PROMOTIONS)

MINUTES ?= 10
SEED ?= 1
soak: $(READY)
	$(BIN)/python -m benchmarks.soak --minutes $(MINUTES) --seed $(SEED)

# The control plane of this version, for those that follow to be run beside it.
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
keep-release:
	mkdir -p tests/data/releases
	git archive HEAD proto/underpaint orchestrator/underpaint | xz -9 \
		> tests/data/releases/underpaint-$(VERSION).tar.xz

proto: $(READY)
	$(call GENERATE,proto)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable ".[all,dev,training]"
	touch $@

clean:
	rm -rf $(VENV) .bench-venv .proto-check demo-out* bench-out site
