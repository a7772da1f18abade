# SPDX-License-Identifier: Apache-2.0
# A thin front of Meson: every target is a few commands that could be typed by hand.

BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
PYTEST   = /usr/bin/python3 -m pytest -p no:cacheprovider
OCI      = src/cmd/davit-oci/davit-oci
SHIM     = src/cmd/containerd-shim-davit-v2/containerd-shim-davit-v2
export PYTHONDONTWRITEBYTECODE = 1

.DEFAULT_GOAL := all
.PHONY: help all setup run test unit e2e faults bench bench-shim bench-daemon test-shim-stress test-davitd-chaos test-vm install fmt fmt-check lint asan clang fuzz valgrind clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install the packages that building needs (root)
	@tools/setup build

all: $(BUILD)/build.ninja ## build into $(BUILD)/ (packages: make setup)
	meson compile -C $(BUILD)

$(BUILD)/build.ninja: | setup
	meson setup $(BUILD) --prefix=$(PREFIX)

run: setup ## set everything up and run a container: the demonstration
	@tools/setup run
	@$(MAKE) --no-print-directory all
	tools/run-demo $(BUILD)/$(OCI)
	@[ "$$(id -u)" -ne 0 ] || tools/run-chain $(BUILD)

test: setup ## set everything up; unit tests, then the end-to-end tests
	@tools/setup test
	@$(MAKE) --no-print-directory unit e2e

unit: all ## the unit tests alone
	meson test -C $(BUILD) --print-errorlogs --suite unit

e2e: all ## the end-to-end tests alone (E2E="-k pause" selects)
	DAVIT_OCI=$(abspath $(BUILD)/$(OCI)) DAVIT_SHIM=$(abspath $(BUILD)/$(SHIM)) \
		$(PYTEST) tests/e2e -q --junitxml=$(BUILD)/e2e.xml $(E2E)

faults: all ## every system call fails once, one after the other (minutes; a sample is part of e2e)
	DAVIT_E2E_FAULTS=all $(MAKE) --no-print-directory e2e E2E="test_faults.py $(E2E)"

test-shim-stress: setup ## the shim's tests with gigabytes, and many containers (minutes)
	@tools/setup test
	@$(MAKE) --no-print-directory all
	DAVIT_OCI=$(abspath $(BUILD)/$(OCI)) DAVIT_SHIM=$(abspath $(BUILD)/$(SHIM)) DAVIT_STRESS=1 \
		$(PYTEST) tests/e2e -q -m stress --deselect tests/e2e/test_davitd_chaos.py $(E2E)

test-davitd-chaos: setup ## davitd is killed in a loop at each fault point, under load (DAVIT_CHAOS_ROUNDS=20 of each; minutes)
	@tools/setup test
	@$(MAKE) --no-print-directory all
	DAVIT_OCI=$(abspath $(BUILD)/$(OCI)) DAVIT_SHIM=$(abspath $(BUILD)/$(SHIM)) DAVIT_STRESS=1 \
		$(PYTEST) tests/e2e/test_davitd_chaos.py -q $(E2E)

bench: setup ## measure side by side with runc, crun and the bare system calls; the shim with containerd's
	@tools/setup bench
	@$(MAKE) --no-print-directory all
	bench/bench.py --davit $(abspath $(BUILD)/$(OCI)) --bare $(abspath $(BUILD)/bench/bare) $(BENCH)
	@$(MAKE) --no-print-directory bench-shim bench-daemon

bench-shim: ## measure the shim alone
	bench/shim.py --davit $(abspath $(BUILD)/$(OCI)) --shim $(abspath $(BUILD)/$(SHIM)) \
		--log $(abspath $(BUILD)/bench/shim-log) $(BENCH)

bench-daemon: ## measure davitd alone, with containerd in turns
	bench/daemon.py --build $(abspath $(BUILD)) $(BENCH)

test-vm: setup ## the end-to-end tests in a virtual machine, under pure cgroup v2
	@tools/setup vm
	@$(MAKE) --no-print-directory all
	tests/vm/run $(BUILD)/$(OCI) $(BUILD)/$(SHIM) $(E2E)

install: all ## install below PREFIX (and DESTDIR)
	meson configure $(BUILD) -Dprefix=$(PREFIX)
	DESTDIR=$(DESTDIR) meson install -C $(BUILD)

fmt: ## format the C sources in place
	tools/format --fix

fmt-check: ## is everything formatted?
	tools/format

lint: ## layers, banned calls, headers, sizes, formatting
	tools/layers
	tools/banned
	tools/headers
	tools/sizes
	tools/format

asan: setup ## the unit tests and a container's life under AddressSanitizer and UBSan
	@tools/configure $(BUILD)-asan -Dstatic=false -Db_sanitize=address,undefined -Dbuildtype=debug
	ninja -C $(BUILD)-asan --quiet meson-test-prereq
	ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
		meson test -C $(BUILD)-asan --no-rebuild --print-errorlogs --suite unit
	ninja -C $(BUILD)-asan $(OCI)
	tools/asan-life $(BUILD)-asan

clang: setup ## build with clang, warnings are errors
	@tools/setup check
	@CC=clang tools/configure $(BUILD)-clang --werror
	meson compile -C $(BUILD)-clang

fuzz: setup ## run each fuzzer for FUZZ_SECONDS (30); FUZZ=name selects
	@tools/setup check
	@CC=clang tools/configure $(BUILD)-fuzz -Dstatic=false -Dfuzz=true -Db_sanitize=address,undefined \
		-Db_lundef=false -Dtests=disabled -Dc_args=-fsanitize=fuzzer-no-link
	tools/fuzz $(BUILD)-fuzz $(or $(FUZZ_SECONDS),30) $(FUZZ)

valgrind: setup ## the unit tests under valgrind
	@tools/setup test
	@tools/configure $(BUILD)-valgrind -Dstatic=false -Dbuildtype=debug
	meson compile -C $(BUILD)-valgrind
	tools/valgrind $(BUILD)-valgrind

clean: ## remove the build directories
	rm -rf build build-*
