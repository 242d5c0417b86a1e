package cli

import (
	"context"
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
	Roles    []string `json:"roles"`
	Services []string `json:"services"`
	Took     float64  `json:"took_seconds"`
}

func newRunCmd(a *app) *cobra.Command {
	var o runOptions
	cmd := prints(&cobra.Command{
		Use:   "run --roles ROLES",
		Short: "Run parts of the platform with a Kafka cluster",
		Long:  "Any number of processes may run the same role: they share the work. There is one role: services.",
		Example: `omnibus run --roles services -b kafka-1:9092,kafka-2:9092
omnibus run --roles services --services bridge`,
		Args: a.wantArgs(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return runRun(cmd.Context(), a, o) },
	}, formatTable, formatJSON)
	f := cmd.Flags()
	f.StringSliceVar(&o.roles, "roles", nil, "which `roles` to run: services")
	f.StringVar(&o.services, "services", "all", "which `services` to run: all, none, or names with commas")
	o.listenFlags(f)
	return cmd
}

func runRun(ctx context.Context, a *app, o runOptions) error {
	if len(o.roles) == 0 {
		return fail(codeArgs, "omnibus run needs --roles").because("there is one role: services").fix("omnibus run --roles services")
	}
	for _, r := range o.roles {
		if r != "services" {
			return fail(codeFlagValue, "there is no role %q", clip(r, 60)).because("there is one role: services").meant(r, []string{"services"}).fix("--roles services")
		}
	}
	console, _, err := o.addresses(a, "OMNIBUS_PORT_CONSOLE")
	if err != nil {
		return err
	}
	services, err := chooseServices(o.services)
	if err != nil {
		return err
	}
	a.logTo(a.err)
	cfg, err := a.busConfig("omnibus")
	if err != nil {
		return err
	}
	var failed error
	running, stop := context.WithCancel(ctx)
	defer stop()
	err = stack.Run(running, stack.Config{Bus: cfg, Services: services, HTTP: console, Logger: a.log}, func(info stack.Info) {
		a.reportStart(info)
		doc := runDoc{
			Schema: schemaOf("run"), Brokers: info.Brokers, URL: info.URL, Roles: o.roles, Services: append([]string{}, info.Services...), Took: info.Took.Seconds(),
		}
		failed = a.print(doc, func() error {
			return a.printFields(
				field{"running", strings.Join(o.roles, ", ")}, field{"kafka", strings.Join(info.Brokers, ",")}, field{"health", info.URL + "/readyz"},
				field{"services", strings.Join(info.Services, ", ")}, field{"stop", "Ctrl-C"},
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
