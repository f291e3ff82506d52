# Two commands matter: `make run` and `make test`. Both install what they need.
.DEFAULT_GOAL := help
SHELL := /bin/bash
export PATH := $(CURDIR)/.tools/node_modules/.bin:$(PATH)

NEXTEST := $(shell cargo nextest --version >/dev/null 2>&1 && echo "nextest run" || echo "test")

.PHONY: help run test lint unit page browsers deps deps-test web docs fuzz clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 12

run: deps web ## builds everything and starts a server on this machine
	cargo build --release --package server --bin visavis
	@exec target/release/visavis serve $(ARGS)

test: deps-test web lint unit page browsers ## everything that is checked before a change is taken

lint: web
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- --deny warnings
	npm run check --prefix web

unit: web ## the Rust tests
	cargo $(NEXTEST)
	cargo test --quiet --doc

page: deps ## the tests of the page and its client, in Node
	npm test --prefix web

browsers: deps-test web ## the tests in real browsers, behind real NATs, and with other people's stacks
	cargo build --bin visavis
	npm test --prefix interop

fuzz: deps web ## libFuzzer, a minute for every target; `make fuzz TARGETS=dtls SECONDS_EACH=600` for one
	@scripts/fuzz $(TARGETS)

web: deps ## builds the page into web/app/dist, from where the server embeds it
	npm run build --prefix web

deps:
	@scripts/deps build

deps-test:
	@scripts/deps build test

docs: ## the crates' documentation, in a browser
	cargo doc --workspace --no-deps --open

clean: ## forgets everything that was built
	rm -rf target web/app/dist web/node_modules interop/node_modules .tools
