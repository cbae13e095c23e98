.PHONY: test race lint vuln fuzz bench ci

test: ## what README says
	go test ./...

race:
	GOWORK=off go test -race ./...

lint: ## of all modules
	test -z "$$(gofmt -l . | tee /dev/stderr)" && go vet ./...
	GOWORK=off go build -C internal/tools -o $(CURDIR)/bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	for dir in $$(go list -m -f '{{.Dir}}'); do (cd $$dir && GOWORK=off $(CURDIR)/bin/golangci-lint run ./...) || exit 1; done

vuln: ## known vulnerabilities that the code calls
	bash .ci/vuln

bench: ## what the proxy costs beside a bare ReverseProxy (docs/performance.md); some minutes
	mkdir -p bin && go run ./internal/bench -json bin/bench.json -svg bin/bench.svg

ci: ## everything that must hold before a change lands
	bash .ci/run
