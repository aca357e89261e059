# What a clone of this repository can do. Each target does its own set-up.

SHELL := /bin/bash
export PATH := $(PATH):$(HOME)/.cargo/bin

.DEFAULT_GOAL := help
.PHONY: help demo test setup build lint fuzz scan faults soak deb bench compare

help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null \
		|| sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1: \2/p' $(MAKEFILE_LIST)

demo: ## play two gateways with both ends proven, on loopback
	@tools/setup build
	cargo run --release --locked -p lockgate -- demo

test: ## run every test of the workspace
	@tools/setup test
	cargo test --workspace --locked

setup: ## install what building, testing and CI need
	@tools/setup all

build: ## build target/release/lockgate
	@tools/setup build
	cargo build --release --locked -p lockgate

lint: ## format, clippy and documents, as CI checks them
	@tools/setup all
	tools/lint

fuzz: ## run each fuzz target for a minute
	@tools/setup build
	tools/fuzz

scan: build ## scanners and hostile peers against the release build
	@tools/setup all
	tools/hostile target/release/lockgate

faults: build ## break lines, peers, processes and certificates around the release build (as root)
	@tools/setup test
	tools/faults target/release/lockgate

soak: build ## all of that for ten minutes, or for MINUTES=n: nothing may grow (as root)
	@tools/setup test
	tools/soak target/release/lockgate $(MINUTES)

deb: build ## make the Debian package of target/release/lockgate
	tools/deb

bench: ## count the instructions of the pure parts
	tools/bench

compare: ## measure Lockgate against nginx, HAProxy and Envoy: an hour
	tools/compare
