# make, or make help, lists what there is.
LINT = go tool -modfile=tools/go.mod golangci-lint
PKG ?= ./...

.DEFAULT_GOAL := help
.PHONY: help all test short race cover lint staticcheck fmt traps verdicts fuzz bench benchmarks interop clients storm stall soak metrics tail dns consumer newest ci

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

all: fmt lint test ## Before a commit

test: ## Every test, with the race detector: the command of the README
	go test -race ./...

short: ## Tests without the race detector, PKG=./retry/... for some of them
	go test $(PKG)

race: ## Tests of PKG twenty times with the race detector
	go test -race -count=20 $(PKG)

cover: ## Which statements of PKG no test runs
	mkdir -p .tmp
	go test -coverprofile=.tmp/cover.out -coverpkg=./... $(PKG)
	go tool cover -func=.tmp/cover.out | grep -v '100.0%$$' || true

lint: ## What a reviewer would say otherwise
	$(LINT) run ./...

staticcheck: ## staticcheck alone, in seconds
	go tool -modfile=tools/go.mod staticcheck $(PKG)

fmt: ## gofmt and the order of imports
	$(LINT) fmt ./...

traps: ## Fill the tests into docs/traps.md
	go test ./internal/arch -update

verdicts: ## Write the tables of verdicts into the packages' documentation
	go test ./internal/verdicts -update

fuzz: ## Every fuzz target for FUZZTIME (20s) each
	scripts/fuzz $(or $(FUZZTIME),20s)

bench: ## What a call costs, beside the same by hand and other libraries
	go -C bench run .

benchmarks: ## Benchmarks of PKG ten times, then benchstat
	mkdir -p .tmp
	go test -run='^$$' -bench=. -benchmem -count=10 $(PKG) | tee .tmp/bench.txt
	go tool -modfile=tools/go.mod benchstat .tmp/bench.txt

interop: ## gRPC's own interoperability cases, through the gRPC door
	go -C interop test -race -count=1 .

clients: ## Real client libraries whose answers go on: watches, long polls, events, streams
	go -C interop/clients test -race -count=1 .

storm: ## The demonstration: real traffic through real faults
	go run ./examples/storm

stall: ## A client that is stopped, or short of the processor, beside a bare one
	go run ./examples/stall

soak: ## Faults and a reload each second for an hour, SOAK=10m for less, and what is left then
	go run ./examples/soak -for $(or $(SOAK),1h)

dns: ## The DNS resolver against bind9
	scripts/dns-check

metrics: ## The metrics against a real Prometheus
	scripts/prometheus-check

tail: ## Published experiments, repeated in virtual time
	go run ./examples/tail

consumer: ## Use the last commit as a user would
	scripts/consumer-check

newest: ## Against the newest gRPC, Prometheus client and OpenTelemetry
	scripts/newest

ci: ## All that a change must pass
	.ci/run
