package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/bus"
)

type configValidateOptions struct{ connect bool }

type configValidateDoc struct {
	Schema    string   `json:"schema"`
	Profile   string   `json:"profile"`
	Brokers   []string `json:"brokers"`
	Settings  int      `json:"settings"` // that have a value
	Connected bool     `json:"connected"`
	Took      float64  `json:"took_seconds"` // to connect
}

func newConfigValidateCmd(a *app) *cobra.Command {
	var o configValidateOptions
	cmd := prints(&cobra.Command{
		Use:   "validate",
		Short: "Check every setting, and with --connect whether the brokers take them",
		Example: `omnibus config validate
omnibus config validate --connect
omnibus config validate --profile prod --connect`,
		Args: a.wantArgs(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return runConfigValidate(cmd.Context(), a, o, cmd.Root()) },
	}, formatTable, formatJSON)
	cmd.Flags().BoolVar(&o.connect, "connect", false, "connect and log in too")
	return cmd
}

func runConfigValidate(ctx context.Context, a *app, o configValidateOptions, root *cobra.Command) error {
	if err := a.checkSettings(root); err != nil {
		return err
	}
	if _, err := a.busConfig(service); err != nil {
		return err
	}
	doc := configValidateDoc{
		Schema: schemaOf("config.validate"), Profile: a.settings.profile.value,
		Brokers: strings.Split(a.settings.get("KAFKA_BOOTSTRAP_SERVERS").value, ","),
	}
	for _, r := range a.settings.all {
		if r.value != "" {
			doc.Settings++
		}
	}
	if o.connect {
		began := a.now()
		if err := a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
			return a.within(ctx, func(ctx context.Context) error {
				_, err := b.Topics(ctx)
				return err
			})
		}); err != nil {
			return err
		}
		doc.Connected, doc.Took = true, a.now().Sub(began).Seconds()
	}
	return a.print(doc, func() error {
		connected := "not tried; --connect does"
		if doc.Connected {
			connected = "yes, in " + durationText(time.Duration(doc.Took*float64(time.Second)))
		}
		return a.printFields(
			field{"settings", count(doc.Settings, "setting is valid", "settings are valid")}, field{"profile", doc.Profile},
			field{"brokers", strings.Join(doc.Brokers, ",")}, field{"connected", connected},
		)
	})
}
