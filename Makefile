# The commands of this repository; `make help` lists them. Each sets up what it needs by itself, and repeats are quick.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Other people's scripts rely on target/release, wherever the environment would have cargo build.
export CARGO_TARGET_DIR := $(CURDIR)/target

RELEASE := target/release
CORE := $(RELEASE)/libhami_core.so
TOOLS := target/tools/venv
# Where `make bench` and `make gpu-check` put what they measure.
OUT ?= target/results

.PHONY: help setup packages clients build core test-library demo test model-check fuzz sanitize bench bench-compute \
	compute-figure gpu-check lint clean

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo "hami-scheduler is not built yet: the scheduler comes with a later release."

setup: packages $(TOOLS)/.stamp clients ## Install what build and test need (Debian packages, linker, real clients)

packages:
	@tests/setup/packages.sh

clients: packages
	@tests/setup/clients.sh
	@tests/setup/bullseye.sh

# The linker for old glibc, in a Python environment of its own.
$(TOOLS)/.stamp: tools/requirements.txt
	@echo "linker for old glibc -> $(TOOLS)"
	@rm -rf $(TOOLS)
	@python3 -m venv $(TOOLS)
	@$(TOOLS)/bin/pip install --quiet --disable-pip-version-check --requirement tools/requirements.txt
	@touch $@

build: core ## Build target/release: libhami_core.so, hami, simgpu, simgpu-libs/
	cargo build --locked --release --package node-agent --package simulator --package simulator-libcuda \
		--package simulator-libnvidia-ml
	@mkdir -p $(RELEASE)/simgpu-libs
	@install -C $(RELEASE)/libcuda.so $(RELEASE)/simgpu-libs/libcuda.so.1
	@install -C $(RELEASE)/libnvidia_ml.so $(RELEASE)/simgpu-libs/libnvidia-ml.so.1
	@ln -sf libcuda.so.1 $(RELEASE)/simgpu-libs/libcuda.so
	@ln -sf libnvidia-ml.so.1 $(RELEASE)/simgpu-libs/libnvidia-ml.so

core: $(TOOLS)/.stamp
	tools/build_core.sh $(TOOLS) $(CORE) --locked

# A second library, with points at which the killing tests end or stop a process. Its own folder: the features differ.
test-library: $(TOOLS)/.stamp
	CARGO_TARGET_DIR=$(CARGO_TARGET_DIR)/tests tools/build_core.sh $(TOOLS) target/tests/libhami_core_kill_points.so \
		--locked --features kill-points

demo: build ## Show two tenants under quotas, on a real device or on a simulated one
	@tests/setup/clients.sh nvidia-550
	@demo/run

test: setup build test-library lint model-check ## Run the lints, the model check and all tests
	cargo test --locked --workspace --no-fail-fast

# loom tries every interleaving and every order that the hardware allows; the kill points let a process die at each step.
# The exploration visits every state of more processes. Folders of their own, since they recompile all.
model-check: ## Check the shared region's protocol: every interleaving, every state
	RUSTFLAGS="--cfg loom" cargo test --locked --package shared-region --lib --release --features kill-points \
		--target-dir $(CARGO_TARGET_DIR)/loom
	RUSTFLAGS="--cfg states" cargo test --locked --package shared-region --lib --release \
		--target-dir $(CARGO_TARGET_DIR)/states -- ledger::states --nocapture

fuzz: ## Fuzz what reads foreign bytes and text, each for FUZZ_SECONDS (600)
	tools/fuzz.sh

sanitize: build ## Run the tests that can under AddressSanitizer and LeakSanitizer, a hooked program under valgrind
	tools/sanitize.sh

bench: build packages ## Measure native against hooked, in one run
	cargo bench --locked --package hami-benches

# BENCH_COMPUTE=quick for a coarse grid; ROWS=1,3 for some rows; ONLY=text for some cells.
bench-compute: build packages ## Measure shares of compute on simulated devices: asked, achieved, error
	cargo run --locked --release --package hami-benches --bin hami-bench-compute -- \
		$(if $(ROWS),--rows $(ROWS)) $(if $(ONLY),--only "$(ONLY)")

# docs/compute-shares.svg, anew.
compute-figure: build packages
	@mkdir -p $(OUT)
	cargo run --locked --release --package hami-benches --bin hami-bench-compute -- --figure $(OUT)/compute-shares.json
	python3 benches/share_over_time.py $(OUT)/compute-shares.json docs/compute-shares.svg

# A machine with a device may have no cargo: a library built elsewhere serves as well.
gpu-check: ## Check the built library on a real NVIDIA device (needs no Rust)
	@if command -v cargo >/dev/null; then $(MAKE) --no-print-directory core; \
	elif [ ! -e $(CORE) ]; then echo "gpu-check: no $(CORE), and no cargo to build it: copy one there" >&2; exit 2; fi
	@mkdir -p $(OUT)
	python3 gpu-check/gpu_check.py --lib $(CORE) --out $(OUT)

lint: ## Check the format, run clippy
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- --deny warnings

clean: ## Delete target/, real clients and tools included
	cargo clean
