GOLANGCI := go tool -modfile=tools.mod golangci-lint
CHECK    := go run ./internal/check

.DEFAULT_GOAL := help
.PHONY: up test check defects chaos bench fuzz fmt help

up: ## build bin/omnibus and start the whole stack in the foreground (ARGS="--ephemeral")
	@go build -o bin/omnibus ./cmd/omnibus && exec bin/omnibus up $(ARGS)

test: ## everything: vet, lint, all tests, race, real Kafka, other clients (STEPS="vet race" runs only those)
	@$(CHECK) test $(STEPS)

check: ## the inner loop: vet, format, lint, layers, schema drift, tests of changed packages
	@$(CHECK) check $(STEPS)

defects: ## plant every defect, one after the other, and print the check that found it; red if one was not found
	@cd internal/defects && go test -tags=defects -count=1 -timeout=2m

chaos: ## kill, freeze and cut off everything for half an hour and hold it against the promises (ARGS="-report FILE")
	@$(CHECK) chaos $(ARGS)

bench: ## speed against the raw client and Watermill on the same broker, as ratios (ARGS="-kafka start -check")
	@cd bench && go run . $(ARGS)

fuzz: ## every fuzz target for FUZZTIME (10s)
	@$(CHECK) fuzz $(FUZZTIME)

fmt: ## format all Go files
	@$(GOLANGCI) fmt

help: ## print this
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
