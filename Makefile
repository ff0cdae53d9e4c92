# The table of contents of everyday work: `make` alone lists it.
# Every target first asks scripts/prepare for what a fresh Debian machine with Rust lacks.

# A rustup that was installed in this very login is not on the PATH yet.
export PATH := $(PATH):$(if $(CARGO_HOME),$(CARGO_HOME),$(HOME)/.cargo)/bin

CARGO ?= cargo
# The dependencies are those of Cargo.lock, or the build stops.
LOCKED ?= --locked
# What the demo or Kafka is given: make demo ARGS='--seed 7'
ARGS ?=
# How much more than `make test` a soak does: the cases of property tests that name no number of their own, and
# WAYFARER_SOAK for rounds of kills and random stories.
SOAK_CASES ?= 20000
SOAK_ROUNDS ?= 2000
# For how long a soak is under load (40s at least), and where the report of it stays: a directory of its own each time.
SOAK_LOAD ?= 1h
SOAK_REPORT ?= target/soak/$(shell date -u +%Y-%m-%dT%H-%M-%SZ)
# Runs a command with one Kafka for all of it, whose address is in WAYFARER_KAFKA.
WITH_KAFKA = $(CARGO) run $(LOCKED) --quiet --package wayfarer-broker -- run --

# For how long `make fuzz` looks.
FUZZ_SECONDS ?= 300

.DEFAULT_GOAL := help
.PHONY: help demo simulate kafka test lint format docs bench bench-baseline instructions race load soak fuzz build \
	no-c ci install prepare prepare-build clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r name text; do \
		printf '%-21s %s\n' "$$name" "$$text"; done

demo: prepare ## two dialects, two gates and an operator, in half a minute; ARGS='--seed 7'
	@$(CARGO) run $(LOCKED) --quiet --release --no-default-features -- demo $(ARGS)

kafka: prepare ## a real Kafka on loopback until Ctrl-C; ARGS='--brokers 3 --port 9092'
	@scripts/prepare kafka
	@$(CARGO) run $(LOCKED) --quiet --package wayfarer-broker -- $(ARGS)

simulate: prepare-build ## instances under faults beside the reference model: ARGS='--seed 7', ARGS='--seeds 10000'
	@# One after the other: built together, the program would have what the simulation breaks on purpose in it.
	@$(CARGO) build $(LOCKED) --quiet --release --package wayfarer-simulate
	@$(CARGO) build $(LOCKED) --quiet --release --package wayfarer
	@target/release/wayfarer simulate $(ARGS)

test: prepare-build ## every test of the workspace, those in the documentation too
	@scripts/prepare kafka
	$(CARGO) test $(LOCKED) --workspace --no-run
	$(WITH_KAFKA) $(CARGO) test $(LOCKED) --workspace

lint: prepare-build ## formatting and clippy, where a warning is an error
	@scripts/prepare rustfmt clippy
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(LOCKED) --workspace --all-targets -- -D warnings

format: ## format the source in place
	@scripts/prepare rustfmt
	$(CARGO) fmt --all

docs: prepare-build ## the documentation of the source, in target/doc, where a warning is an error
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(LOCKED) --no-deps --workspace

bench: prepare-build ## the benchmarks, and what changed since bench-baseline; some of them: make bench ARGS=path
	@scripts/bench compare $(ARGS)

bench-baseline: prepare-build ## the benchmarks, whose figures are kept for `make bench` to compare with
	@scripts/bench keep $(ARGS)

instructions: prepare ## instructions of the key paths against those that are kept; ARGS='--renew "why"'
	@scripts/prepare valgrind
	$(CARGO) run $(LOCKED) --quiet --release --package wayfarer-instructions -- $(ARGS)

race: prepare-build ## Wayfarer, bare Kafka and the peers in turns on one broker; ARGS='--peers bare,naive --rounds 5'
	@scripts/prepare kafka
	$(CARGO) build $(LOCKED) --release --package wayfarer --package wayfarer-load
	$(WITH_KAFKA) target/release/wayfarer-load race $(ARGS)

load: prepare-build ## a scenario under load, and its report in target/load; ARGS='loadtest/scenarios/steady.toml --set KEY=VALUE'
	@scripts/prepare kafka
	$(CARGO) build $(LOCKED) --release --package wayfarer --package wayfarer-load
	$(WITH_KAFKA) target/release/wayfarer-load run $(or $(ARGS),loadtest/scenarios/steady.toml)

soak: prepare-build ## an hour of the tests that kill, restore and compare, and an hour of load: SOAK_LOAD=10m, report in target/soak
	@scripts/prepare kafka
	PROPTEST_CASES=$(SOAK_CASES) WAYFARER_SOAK=$(SOAK_ROUNDS) \
		$(WITH_KAFKA) $(CARGO) test $(LOCKED) --workspace --release
	$(CARGO) build $(LOCKED) --release --package wayfarer --package wayfarer-load
	$(WITH_KAFKA) target/release/wayfarer-load run loadtest/scenarios/soak.toml \
		--set phase.0.for=$(SOAK_LOAD) --out $(SOAK_REPORT)

fuzz: prepare-build ## bytes that break a promise, looked for by libFuzzer; one target: make fuzz ARGS=events
	@scripts/prepare fuzz
	@for target in $(or $(ARGS),changelog conditions definitions events wire); do \
		case $$target in definitions) seeds="config/journeys tests/journeys/bad" ;; \
			*) seeds=fuzz/seeds/$$target ;; esac; \
		mkdir -p fuzz/corpus/$$target && RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run --sanitizer none $$target \
			fuzz/corpus/$$target $$seeds -- -max_total_time=$(FUZZ_SECONDS) -timeout=5 || exit 1; done

build: prepare-build ## the binary as it is released: target/release/wayfarer
	$(CARGO) build $(LOCKED) --release

no-c: prepare ## the build without features, and the proof that it compiles no C
	scripts/no-c

ci: ## what a change must pass: lint, docs, no-c, instructions, test
	.ci/run

install: prepare-build ## the program, and the simulation that is its verb, into cargo's directory of programs
	$(CARGO) install $(LOCKED) --path .
	$(CARGO) install $(LOCKED) --path simulate

prepare: ## install what is missing, or say what it is
	@scripts/prepare cargo cc

# The default features compile librdkafka.
prepare-build: prepare
	@scripts/prepare kafka-build

clean: ## throw away what was built
	$(CARGO) clean
