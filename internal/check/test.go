package main

import (
	"context"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/omninode-ai/omnibus/internal/parts"
)

// everything is what "make test" runs.
func everything() []step {
	return []step{
		{name: "parts", alone: alone("parts"), run: installParts},
		stepOf("vet", goCommand("vet", "-tags=parts", "./...")),
		darwin(),
		format(),
		lint(),
		lintOf("interop"),
		lintOf("bench"),
		schemas(),
		stepOf("test", goCommand("test", "./...")),
		tested("defects", defects()),
		stepOf("race", goCommand("test", "-race", "-timeout=15m", "-skip="+walks, "./broker/...", "./bus/...", "./deadletter/...", "./internal/cli/...", "./services/...", "./registry/...", "./stack/...", "./telemetry/...")),
		tested("parts-test", goCommand("test", "-tags=parts", "./internal/parts", "./internal/catalogue", "./internal/site")),
		tested("quick-reference", quickReference()),
		{name: "kafka", alone: alone("kafka"), run: onKafka(1, busSuite())},
		{name: "kafka-3", alone: alone("kafka-3"), run: onKafka(3, busSuite())},
		stepOf("chaos", goCommand("run", "./internal/chaos", "-profile", "short")),
		stepOf("chaos-trials", goCommand("run", "./internal/chaos", "-profile", "trials")),
		{name: "interop", alone: alone("interop"), run: withParts(interopTests())},
		{name: "interop-kafka", alone: alone("interop-kafka"), run: onKafka(1, interopTests("-skip="+withoutBroker))},
	}
}

// walks are tests that go through every command, prove a whole cluster, or let a minute of load pass, one thing after the other: with
// the race detector they would take minutes, and what runs at once in them has tests of its own.
const walks = "TestEveryCommand|TestSelftest|TestWrongInput|TestPages|TestPublishCommandOfEvery|TestOutputs|TestScripts|TestDoctorPage|TestChangingASchema|" +
	"TestOneByteChangedIsRefusedByTheBinary|TestRegistryKilled"

func alone(name string) string { return "go run ./internal/check test " + name }

func installParts(ctx context.Context, w io.Writer) error {
	if err := parts.Need(ctx, w, parts.Tools()); err != nil {
		return err
	}
	installs, ctx := errgroup.WithContext(ctx) // they wait for the network
	installs.Go(func() error { return parts.InstallKafka(ctx, cacheDir) })
	installs.Go(func() error { return parts.InstallPython(ctx, cacheDir, requirements) })
	installs.Go(func() error { return parts.InstallNode(ctx, cacheDir, nodePackages) })
	return installs.Wait()
}

// withParts returns the run of tests that need the parts, so that a step can be run alone on a new machine.
func withParts(tests command) func(context.Context, io.Writer) error {
	return func(ctx context.Context, w io.Writer) error {
		if err := installParts(ctx, w); err != nil {
			return err
		}
		return tests.testing(ctx, w)
	}
}

func darwin() step {
	c := goCommand("vet", "-tags=parts", "./...")
	c.env = []string{"GOOS=darwin"}
	return stepOf("vet-darwin", c)
}

func format() step {
	c := goTool("gofumpt", "-l", "-extra=group_params,clothe_returns", ".")
	return step{name: "format", alone: c.String() + " (make fmt mends it)", run: c.silent}
}

func lint() step { return stepOf("lint", goTool("golangci-lint", "run")) }

// lintOf checks a module of its own, which "./..." does not reach.
func lintOf(module string) step {
	c := goCommand("tool", "-modfile=../tools.mod", "golangci-lint", "run")
	c.dir = module
	return stepOf("lint-"+module, c)
}

// schemas fails when the contracts are not what the schemas say.
func schemas() step {
	return stepOf("schemas", goCommand("run", "./cmd/omnibus", "schema", "gen", "--check"))
}

// busSuite is the suite that runs on every broker; onKafka tells it where that is.
func busSuite() command {
	return goCommand("test", "-count=1", "-timeout=5m", "-parallel=8", "-run=^TestSuite", "./bus")
}

// defects plants every defect, and prints which check found it.
func defects() command {
	c := goCommand("test", "-tags=defects", "-count=1", "-timeout=2m") // without a package, so that its table is printed
	c.dir = "internal/defects"
	return c
}

// withoutBroker are tests of interop that are the same on every broker.
const withoutBroker = "^Test(PythonModels|TypeScript|TypesPage)$"

func interopTests(flags ...string) command {
	args := append([]string{"test", "-count=1", "-timeout=5m", "-parallel=4"}, flags...)
	c := goCommand(append(args, "./...")...) // they wait for each other's processes more than they compute
	c.dir = "interop"
	return c
}

// quickReference executes the quick reference; -v, so that it says how much of it works.
func quickReference() command {
	return goCommand("test", "-tags=parts", "-count=1", "-v", "-run=^Test(QuickReference|Script)", "./internal/readme")
}

func tested(name string, c command) step {
	return step{name: name, alone: c.String(), run: c.testing}
}
