package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/registry"
	"github.com/omninode-ai/omnibus/stack"
)

type upOptions struct {
	ephemeral bool
	services  string
	embedded  bool
	alone     bool // without a schema registry
	advertise string
	detach    bool
	readyFD   int
	listenOptions
}

// listenOptions say which addresses a stack opens.
type listenOptions struct {
	host     string
	insecure bool
}

type upDoc struct {
	Schema   string   `json:"schema"`
	PID      int      `json:"pid"`
	Brokers  []string `json:"brokers"`
	URL      string   `json:"url"`
	Registry string   `json:"registry"` // URL of the schema registry; empty: none runs
	Data     string   `json:"data"`     // empty: nothing is kept
	Services []string `json:"services"`
	Events   int      `json:"event_types"`
	Took     float64  `json:"took_seconds"`
}

func newUpCmd(a *app) *cobra.Command {
	o := upOptions{}
	cmd := prints(&cobra.Command{
		Use:   "up",
		Short: "Start the bus on this machine: broker, topics, services",
		Long: "One node, one disk: for development. Data is kept from one start to the next, in $XDG_DATA_HOME/omnibus unless --data says\n" +
			"otherwise. Use \"omnibus run\" with a Kafka cluster.",
		Example: `omnibus up
omnibus up --ephemeral --services none
omnibus up --detach && omnibus status && omnibus down
omnibus up --listen 0.0.0.0 --insecure-listen --advertise 192.168.1.20:9092`,
		Args: a.wantArgs(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return runUp(cmd.Context(), a, o) },
	}, formatTable, formatJSON)
	f := cmd.Flags()
	dataFlag(f)
	f.BoolVar(&o.ephemeral, "ephemeral", false, "keep nothing")
	f.String("port-kafka", "9092", "`port` of the broker; 0 picks one (OMNIBUS_PORT_KAFKA)")
	f.StringVar(&o.services, "services", "all", "which `services` to run: all, none, or names with commas")
	f.BoolVar(&o.embedded, "embedded", false, "start the embedded broker although the settings name another one")
	f.BoolVar(&o.alone, "no-registry", false, "run no schema registry")
	f.StringVar(&o.advertise, "advertise", "", "the `host:port` that clients are told, for containers and other machines")
	f.BoolVarP(&o.detach, "detach", "d", false, "run in the background; return when it is ready")
	f.IntVar(&o.readyFD, "ready-fd", 0, "")
	f.Lookup("ready-fd").Hidden = true
	o.listenFlags(f)
	return cmd
}

func dataFlag(f *pflag.FlagSet) {
	f.String("data", "", "data `dir` (OMNIBUS_DATA); default: $XDG_DATA_HOME/omnibus")
}

func (o *listenOptions) listenFlags(f *pflag.FlagSet) {
	f.String("port-console", "8050", "`port` of /livez and /readyz; 0 picks one (OMNIBUS_PORT_CONSOLE)")
	f.String("port-registry", "8084", "`port` of the schema registry; 0 picks one (OMNIBUS_PORT_REGISTRY)")
	f.StringVar(&o.host, "listen", "127.0.0.1", "`address` to listen on")
	f.BoolVar(&o.insecure, "insecure-listen", false, "listen beyond this machine without TLS and login")
}

func runUp(ctx context.Context, a *app, o upOptions) (err error) {
	if o.readyFD > 0 {
		report := os.NewFile(uintptr(o.readyFD), "ready")
		defer func() { reportFailure(a, report, err) }()
		a.logTo(a.err)
		return a.up(ctx, o, func(doc upDoc) error { return reportReady(report, doc) })
	}
	if o.detach {
		return runDetached(ctx, a)
	}
	a.logTo(a.err)
	return a.up(ctx, o, func(doc upDoc) error { return a.print(doc, func() error { return a.banner(doc) }) })
}

// logTo logs warnings where -v does not ask for more.
func (a *app) logTo(w interface{ Write([]byte) (int, error) }) {
	if a.flags.verbose == 0 && !a.flags.quiet {
		a.log = slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
}

// up runs the stack in this process and calls ready once it is.
func (a *app) up(ctx context.Context, o upOptions, ready func(upDoc) error) error {
	at, err := o.addresses(a, "OMNIBUS_PORT_KAFKA", "OMNIBUS_PORT_CONSOLE", "OMNIBUS_PORT_REGISTRY")
	if err != nil {
		return err
	}
	kafka, console := at[0], at[1]
	if err := o.checkAdvertise(); err != nil {
		return err
	}
	dir, err := a.dataDir()
	if err != nil {
		return err
	}
	if s, running, err := readState(dir); err == nil && running { // it says more than what the settings point to
		return runsAlready(dir, s)
	}
	if err := a.notElsewhere(o, kafka); err != nil {
		return err
	}
	services, err := chooseServices(o.services)
	if err != nil {
		return err
	}
	cfg, err := a.busConfig("omnibus")
	if err != nil {
		return err
	}
	cfg.TLS, cfg.SASL = nil, bus.SASL{} // those are for the way to another broker
	held, err := a.holdDir(dir)
	if err != nil {
		return err
	}
	defer held.Close() //nolint:errcheck // releases the lock; the state in it is of no use afterwards
	br := &broker.Config{Addr: kafka, Advertise: o.advertise, Logger: a.log}
	if !o.ephemeral {
		br.Dir = brokerDir(dir)
	}
	var failed error
	running, stop := context.WithCancel(ctx)
	defer stop()
	var schemas *stack.Registry
	if !o.alone {
		if schemas, err = a.registryServer(at[2]); err != nil {
			return err
		}
		schemas.Catalogue = true
	}
	err = stack.Run(running, stack.Config{Bus: cfg, Broker: br, Services: services, HTTP: console, Registry: schemas, Logger: a.log}, func(info stack.Info) {
		a.reportStart(info)
		state := runState{
			PID: os.Getpid(), Brokers: info.Brokers, URL: info.URL, Registry: info.Registry, Services: info.Services, Started: jsonTime(a.now()), Keeps: !o.ephemeral,
		}
		doc := upDoc{
			Schema: schemaOf("up"), PID: state.PID, Brokers: info.Brokers, URL: info.URL, Registry: info.Registry, Services: append([]string{}, info.Services...),
			Events: cfg.Catalog.Len(), Took: info.Took.Seconds(),
		}
		if !o.ephemeral {
			doc.Data = dir
		}
		if failed = writeState(held, state); failed == nil {
			failed = ready(doc)
		}
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

// registryServer is the schema registry to run at addr.
func (a *app) registryServer(addr string) (*stack.Registry, error) {
	r := &stack.Registry{Addr: addr, Version: buildVersion()}
	s := a.settings.get("OMNIBUS_REGISTRY_USERS_FILE")
	if s.value == "" {
		return r, nil
	}
	b, err := os.ReadFile(a.path(s.value))
	if err != nil {
		return nil, cannotRead(s.value, err)
	}
	if r.Authorize, err = registry.Users(b); err != nil {
		return nil, fail(codeSettings, "%s is not a file of users", clip(s.value, 200)).at("setting", "%s (from %s)", s.env, s.origin).
			because("%s", err.Error()).fix("lines of the form name:role:hash; the role is reader, writer or admin")
	}
	return r, nil
}

// reportStart says what people should know about the start.
func (a *app) reportStart(info stack.Info) {
	for _, cut := range info.Recovery.Cuts {
		a.hint("note: after an unclean stop, %s of %s that were never acknowledged were cut", sizeText(cut.Bytes), cut.File)
	}
	for i, why := range info.Unregistered {
		if i == 5 {
			a.hint("note: %d more schemas were not registered; the log has them", len(info.Unregistered)-i)
			break
		}
		a.hint("note: not registered: %s", clip(why, 400))
	}
	for i, d := range info.Differences {
		if i == 5 {
			a.hint("note: %d more differences; omnibus topics list", len(info.Differences)-i)
			break
		}
		a.hint("note: %s", d.String())
	}
}

func (a *app) banner(doc upDoc) error {
	title := "Omnibus is up: one node, one disk, for development"
	data := doc.Data
	if data == "" {
		data = "nothing is kept (--ephemeral)"
	}
	schemas := doc.Registry
	if schemas == "" {
		schemas = "none (--no-registry)"
	}
	services := strings.Join(doc.Services, ", ")
	if services == "" {
		services = "none"
	}
	if err := a.printf("%s\n\n", a.paint(bold, title)); err != nil {
		return err
	}
	err := a.printFields(
		field{"  Kafka", strings.Join(doc.Brokers, ",")}, field{"  Registry", schemas}, field{"  Health", doc.URL + "/readyz"}, field{"  Data", data}, field{"  Services", services},
		field{"  Ready", fmt.Sprintf("%s, after %.1f s", count(doc.Events, "event type", "event types"), doc.Took)},
	)
	if err != nil {
		return err
	}
	at := ""
	if doc.Brokers[0] != defaultBootstrap {
		at = " -b " + doc.Brokers[0]
	}
	const example = "omninode.intelligence.event.quality_assessed.v1"
	return a.printf("\nTry, in another shell:\n  omnibus publish%s %s '{\"entity_id\":\"doc-123\",\"quality_score\":0.92}'\n"+
		"  omnibus consume%s %s --last 1\n  omnibus demo%s\n\nCtrl-C to stop\n", at, example, at, example, at)
}

// addresses are where the stack listens, by the settings that hold the ports. Beyond this machine only who says so.
func (o listenOptions) addresses(a *app, settings ...string) ([]string, error) {
	ip := net.ParseIP(o.host)
	if o.host == "localhost" {
		ip = net.IPv4(127, 0, 0, 1)
	}
	if ip == nil {
		return nil, fail(codeFlagValue, "%q is not an address to listen on", clip(o.host, 60)).fix("--listen 127.0.0.1").fix("--listen 0.0.0.0 --insecure-listen")
	}
	if !ip.IsLoopback() && !o.insecure {
		return nil, fail(codeInsecure, "refused to listen on %s without TLS and login", o.host).
			because("everybody who reaches that address could read and write all events").
			fix("leave out --listen to serve this machine only").fix("--insecure-listen where the network is yours alone")
	}
	out := make([]string, len(settings))
	for i, name := range settings {
		s := a.settings.get(name)
		port, err := strconv.Atoi(s.value)
		if err != nil || port < 0 || port > 65535 {
			return nil, fail(codeFlagValue, "%q is not a port", clip(s.value, 60)).at("where", "%s", s.origin).fix("a number from 1 to 65535, or 0 for any that is free")
		}
		out[i] = net.JoinHostPort(ip.String(), s.value)
	}
	return out, nil
}

func (o upOptions) checkAdvertise() error {
	if o.advertise == "" {
		if ip := net.ParseIP(o.host); ip != nil && ip.IsUnspecified() {
			return fail(codeConflict, "--listen %s needs --advertise", o.host).because("%s is no address that a client could connect to", o.host).
				fix("--advertise HOST:PORT as clients reach this machine")
		}
		return nil
	}
	host, port, err := net.SplitHostPort(o.advertise)
	if n, bad := strconv.Atoi(port); err != nil || bad != nil || n < 1 || n > 65535 || host == "" {
		return fail(codeFlagValue, "%q is not an address to advertise", clip(o.advertise, 80)).fix("--advertise HOST:PORT, as in host.docker.internal:9092")
	}
	return nil
}

// notElsewhere refuses to start a broker while the settings send everything else to another one: nobody would find it.
func (a *app) notElsewhere(o upOptions, kafka string) error {
	s := a.settings.get("KAFKA_BOOTSTRAP_SERVERS")
	if s.origin == "default" || o.embedded {
		return nil
	}
	host, port, err := net.SplitHostPort(kafka)
	if err != nil {
		return err
	}
	mine := []string{net.JoinHostPort(host, port), net.JoinHostPort("localhost", port), net.JoinHostPort("127.0.0.1", port), net.JoinHostPort("::1", port), o.advertise}
	for addr := range strings.SplitSeq(s.value, ",") {
		if !slices.Contains(mine, strings.TrimSpace(addr)) {
			return fail(codeElsewhere, "the settings point to another broker: %s", clip(s.value, 200)).
				at("setting", "KAFKA_BOOTSTRAP_SERVERS = %s (from %s)", clip(s.value, 200), s.origin).
				because("everything else here would use that one and not the broker that \"up\" starts").
				fix("omnibus run --roles services uses that broker").fix("omnibus up --embedded starts one all the same")
		}
	}
	return nil
}

func chooseServices(names string) ([]string, error) {
	switch names {
	case "all":
		return stack.Services(), nil
	case "none", "":
		return nil, nil
	}
	var out []string
	for n := range strings.SplitSeq(names, ",") {
		n = strings.TrimSpace(n)
		if !slices.Contains(stack.Services(), n) {
			return nil, fail(codeNoService, "there is no service %q", clip(n, 60)).because("there are: %s", strings.Join(stack.Services(), ", ")).
				meant(n, stack.Services()).fix("--services all, none, or names with commas")
		}
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out, nil
}

// reportReady tells the process that started this one in the background.
func reportReady(to *os.File, doc upDoc) error {
	b, err := jsonx.Marshal(doc)
	if err != nil {
		return err
	}
	if _, err := to.Write(append(b, '\n')); err != nil {
		return err
	}
	return to.Close()
}

// reportFailure does so where the start failed; after reportReady the file is closed, and nobody listens.
func reportFailure(a *app, to *os.File, failed error) {
	if failed == nil {
		return
	}
	if b, err := jsonx.Marshal(a.explain(failed).doc()); err == nil {
		_, _ = to.Write(append(b, '\n')) // the failure is in the log too
	}
	_ = to.Close() // as above
}
