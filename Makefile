# The commands of this project. Everything that a command needs and this machine lacks is installed by scripts/tools.

.DEFAULT_GOAL := help
SHELL := bash
export LEPTOS_SITE_ROOT ?= target/site
# Secrets and settings of this machine, if there are any; see .env.example.
WITH_ENV := set -a; [[ ! -f .env ]] || . ./.env; set +a;

.PHONY: help run doctor login demo watch test chaos build bench bench-screens power-cut lint lighthouse screenshots clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## Build the release and serve it at http://127.0.0.1:3000
	@echo "==> serving; Ctrl-C ends it"
	@$(WITH_ENV) exec target/release/ttr

doctor: build ## Say what is wrong with the site; ARGS="--offline" asks nobody outside
	@$(WITH_ENV) exec target/release/ttr doctor $(ARGS)

login: build ## Print a new link to the owner's screens
	@$(WITH_ENV) exec target/release/ttr login $(ARGS)

demo: build ## Fill the store with made-up visits; ARGS="--sessions 1000"
	@$(WITH_ENV) exec target/release/ttr demo $(ARGS)

build: ## Build target/release/ttr and target/site
	@scripts/build.mjs

watch: ## Serve a debug build that rebuilds and reloads by itself at every change
	@scripts/tools wasm-target npm wasm-bindgen cargo-leptos
	@$(WITH_ENV) PATH="$$PWD/target/tools/bin:$$PWD/end2end/node_modules/.bin:$$PATH" exec cargo leptos watch

test: lint ## Run every test: Rust, boot script, browser
	@scripts/test

# The control, HASTY=1, is built with failpoints, to answer before it commits.
chaos: build ## Kill the program under load for MINUTES=20 and count what is lost; SECONDS=90 SEED=1 HASTY=1
	@cargo build --workspace --features server/failpoints --bin ttr --example chaos
	@target/debug/examples/chaos --seconds $(or $(SECONDS),$$(($(or $(MINUTES),20) * 60))) \
		$(if $(SEED),--seed $(SEED)) $(if $(HASTY),--ttr target/debug/ttr --expect-loss)

lint: ## Check formatting and lints of Rust and of the browser tests
	@scripts/tools wasm-target npm-tests
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --package ttr-web --target wasm32-unknown-unknown --target-dir target/front -- -D warnings
	npm run --silent --prefix end2end lint
	@if command -v cargo-deny >/dev/null; then cargo deny check; fi

bench: ## Run the benchmarks
	cargo bench --package server

bench-screens: build ## Measure the owner's screens on 1,000 and on 100,000 sessions
	@scripts/measure-screens.mjs

power-cut: ## Cut the power 50 times under load and count what is lost; needs root
	@scripts/power-cut

lighthouse: build ## Measure the page with Lighthouse (mobile, median of 3)
	@scripts/tools npm-tests chromium
	@node end2end/lighthouse.mjs

screenshots: build ## Take docs/screenshots anew
	@scripts/tools npm-tests chromium
	@UPDATE_SCREENSHOTS=1 npm run --silent --prefix end2end test -- screenshots screens

clean: ## Remove everything that was built, tools included
	rm -rf target end2end/node_modules end2end/test-results end2end/playwright-report
