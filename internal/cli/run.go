package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/stack"
)

type runOptions struct {
	roles    []string
	services string
	listenOptions
}

type runDoc struct {
	Schema   string   `json:"schema"`
	Brokers  []string `json:"brokers"`
	URL      string   `json:"url"`
	Registry string   `json:"registry"` // URL of the schema registry; empty: this process runs none
	Roles    []string `json:"roles"`
	Services []string `json:"services"`
	Took     float64  `json:"took_seconds"`
}

func newRunCmd(a *app) *cobra.Command {
	var o runOptions
	cmd := prints(&cobra.Command{
		Use:   "run --roles ROLES",
		Short: "Run parts of the platform with a Kafka cluster",
		Long: "Any number of processes may run the same role. The roles are:\n" +
			"  services  they share the work\n" +
			"  registry  all of them answer, and one of them takes changes; when that one is gone another takes over",
		Example: `omnibus run --roles services -b kafka-1:9092,kafka-2:9092
omnibus run --roles services --services bridge
omnibus run --roles registry -b kafka-1:9092,kafka-2:9092`,
		Args: a.wantArgs(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return runRun(cmd.Context(), a, o) },
	}, formatTable, formatJSON)
	f := cmd.Flags()
	f.StringSliceVar(&o.roles, "roles", nil, "which `roles` to run, with commas: services, registry")
	f.StringVar(&o.services, "services", "all", "which `services` to run: all, none, or names with commas")
	o.listenFlags(f)
	return cmd
}

// The roles of "omnibus run".
const (
	roleServices = "services"
	roleRegistry = "registry"
)

// checkRoles refuses roles that nobody can run.
func checkRoles(roles []string) error {
	known := []string{roleServices, roleRegistry}
	if len(roles) == 0 {
		return fail(codeArgs, "omnibus run needs --roles").because("there are: %s", strings.Join(known, ", ")).
			fix("omnibus run --roles services").fix("omnibus run --roles registry")
	}
	for _, r := range roles {
		if !slices.Contains(known, r) {
			return fail(codeFlagValue, "there is no role %q", clip(r, 60)).because("there are: %s", strings.Join(known, ", ")).
				meant(r, known).fix("--roles services").fix("--roles registry")
		}
	}
	return nil
}

func runRun(ctx context.Context, a *app, o runOptions) error {
	if err := checkRoles(o.roles); err != nil {
		return err
	}
	at, err := o.addresses(a, "OMNIBUS_PORT_CONSOLE", "OMNIBUS_PORT_REGISTRY")
	if err != nil {
		return err
	}
	sc := stack.Config{HTTP: at[0]}
	if slices.Contains(o.roles, roleServices) {
		if sc.Services, err = chooseServices(o.services); err != nil {
			return err
		}
	}
	if slices.Contains(o.roles, roleRegistry) {
		if sc.Registry, err = a.registryServer(at[1]); err != nil {
			return err
		}
	}
	a.logTo(a.err)
	if sc.Bus, err = a.busConfig("omnibus"); err != nil {
		return err
	}
	sc.Logger = a.log
	var failed error
	running, stop := context.WithCancel(ctx)
	defer stop()
	err = stack.Run(running, sc, func(info stack.Info) {
		a.reportStart(info)
		doc := runDoc{
			Schema: schemaOf("run"), Brokers: info.Brokers, URL: info.URL, Registry: info.Registry, Roles: o.roles, Services: append([]string{}, info.Services...), Took: info.Took.Seconds(),
		}
		failed = a.print(doc, func() error {
			return a.printFields(
				field{"running", strings.Join(o.roles, ", ")}, field{"kafka", strings.Join(info.Brokers, ",")}, field{"health", info.URL + "/readyz"},
				field{"registry", info.Registry}, field{"services", strings.Join(info.Services, ", ")}, field{"stop", "Ctrl-C"},
			)
		})
		if failed != nil {
			stop()
		}
	})
	if failed != nil {
		return failed
	}
	if err == nil || isInterrupted(ctx, err) {
		a.hint("stopped")
		return nil // being told to stop is how it ends
	}
	return err
}
