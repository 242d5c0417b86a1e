package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/internal/oneline"
	"github.com/omninode-ai/omnibus/registry"
	"github.com/omninode-ai/omnibus/registry/client"
	"github.com/omninode-ai/omnibus/schema"
	"github.com/omninode-ai/omnibus/stack"
)

// explain turns any error into what people can act on. It asks errors what they are and never shows a chain of them.
func (a *app) explain(err error) *failure {
	if f, ok := asFailure(err); ok {
		return f
	}
	var (
		port    *broker.PortTakenError
		inUse   *broker.DirInUseError
		corrupt *broker.CorruptError
		left    *bus.AbandonedError
		listen  *stack.ListenError
		served  *stack.ServedError
		active  *bus.ActiveGroupError
		stale   *bus.StalePlanError
		used    *bus.TopicInUseError
		dual    *bus.DualError
		setting *bus.SettingError
		unfit   *registry.UnfitTopicError
		refused *registry.Error
		moved   *client.StalePlanError
	)
	switch {
	case errors.As(err, &active):
		return a.groupHasMembers(active)
	case errors.As(err, &stale):
		return stalePlan(stale)
	case errors.As(err, &moved):
		return stalePlan(&bus.StalePlanError{Changed: moved.Changed})
	case errors.As(err, &used):
		return topicInUse(used)
	case errors.As(err, &dual):
		return fail(codeOutcome, "the event is on record, and its dual perhaps not").at("event", "%s", dual.Event).at("dual", "%s", dual.Dual).
			because("%s", clip(oneline.Cause(dual.Err), 300)).
			fix("publish it again under the same event_id, which is safe for whoever looks at ids").
			fix("omnibus consume %s --offset %d:%d --limit 1, which shows it", dual.Event.Topic, dual.Event.Partition, dual.Event.Offset)
	case errors.As(err, &setting):
		return settingRefused(setting)
	case errors.As(err, &unfit):
		return fail(codeUnfit, "topic %s cannot keep schemas", registry.Topic).because("%s", unfit.What).
			fix("%s", unfit.Fix).fix("omnibus topics show %s", registry.Topic).
			fix("where \"omnibus up\" refuses: omnibus up --no-registry starts the broker, so that the topic can be mended")
	case errors.As(err, &refused) && refused.IsReadOnly():
		return fail(codeReadOnly, "this schema registry takes no changes").because("%s", refused.Message).
			fix("send the change to the writer").fix("where there is none: omnibus run --roles registry")
	case errors.As(err, &port):
		return a.portTaken(port)
	case errors.As(err, &inUse):
		f := fail(codeDirInUse, "data directory %s is in use", inUse.Dir).because("another Omnibus has it open")
		if inUse.PID != 0 {
			f.because("process %d has it open", inUse.PID)
		}
		return f.fix("omnibus status").fix("omnibus down, then again").fix("--data DIR with another directory, or --ephemeral")
	case errors.As(err, &corrupt):
		return fail(codeCorrupt, "the data directory is damaged; nothing was changed").
			at("file", "%s", corrupt.File).at("byte", "%d", corrupt.Offset).because("%s", corrupt.Why).
			fix("restore the directory from a copy").fix("omnibus repair says what can be kept").fix("start afresh elsewhere: omnibus up --data DIR")
	case errors.As(err, &listen):
		return listenFailed(listen)
	case errors.As(err, &served):
		return fail(codeServed, "service %s is served already", served.Service).at("topic", "%s", served.Topic).
			because("group %s answers these requests; with two, every request would be answered twice", served.Group).
			fix("stop the other one: omnibus groups show %s", served.Group).fix("--services none, or the names of the others")
	case errors.Is(err, stack.ErrBroker):
		return fail(codeStorage, "the embedded broker stopped: it could no longer write").because("%s", clip(oneline.Cause(err), 200)).
			fix("make room on the disk, then start it again; what was acknowledged is kept")
	case errors.As(err, &left):
		return fail(codeTimeout, "%s of group %s had not finished when the drain time was over", count(len(left.Events), "event", "events"), left.Group).
			because("a handler takes longer than the time to stop").fix("nothing is lost: they are delivered again at the next start")
	}
	if f := a.explainRegistry(err); f != nil {
		return f
	}
	if f := a.explainContent(err); f != nil {
		return f
	}
	if f := a.explainBus(err); f != nil {
		return f
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return a.timedOut()
	}
	return fail(codeInternal, "unexpected: %s", clip(oneline.Cause(err), 300)).
		because("Omnibus has no better words for this one; it is likely a defect").fix("run it again with -vv and report what it prints")
}

// explainContent explains errors about what was to be published.
func (a *app) explainContent(err error) *failure {
	var (
		invalid *schema.Invalid
		syntax  *jsonx.SyntaxError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Rule == "json":
		return badJSON(invalid.Line, invalid.Column, invalid.Message)
	case errors.As(err, &syntax):
		return badJSON(syntax.Line, syntax.Column, syntax.Why)
	case errors.As(err, &invalid):
		f := violates(invalid)
		if dual := (*bus.NoDualError)(nil); errors.As(err, &dual) {
			return f.at("dual", "%s, as which it would be published too", dual.Dual).
				because("the catalogue says dual_publish, and only a service that knows bus.DualPublish can make one of the other").
				fix("publish it by that service").fix("omnibus catalog show %s", dual.Dual)
		}
		if t := topicOf(err); t != "" {
			f.details = append([]detail{{"topic", string(t)}}, f.details...)
			f.fix("omnibus catalog show %s", t)
		}
		return f
	case errors.Is(err, bus.ErrTooLarge):
		f := fail(codeTooLarge, "the event is too large").because("key and value together are above the limit")
		if t := topicOf(err); t != "" {
			f.at("topic", "%s", t)
		}
		return f.fix("store the body elsewhere and publish a reference to it")
	case errors.Is(err, event.ErrNotEvent):
		return fail(codeEvent, "the value is not an event").because("an event is a JSON object with an object \"payload\"").
			fix("omnibus publish EVENT_TYPE PAYLOAD wraps the payload for you")
	case errors.Is(err, bus.ErrInvalid):
		f := fail(codeEvent, "the event is invalid").because("%s", clip(oneline.Cause(err), 300))
		if t := topicOf(err); t != "" {
			f.at("topic", "%s", t).fix("omnibus catalog show %s", t)
		} else {
			f.fix("omnibus catalog list")
		}
		return f
	}
	return nil
}

// explainBus explains errors of reaching the brokers and of what they answered.
func (a *app) explainBus(err error) *failure {
	from := a.settings.get("KAFKA_BOOTSTRAP_SERVERS")
	where := fmt.Sprintf("%s (from %s)", from.value, from.origin)
	switch {
	case errors.Is(err, bus.ErrUnauthorized):
		return fail(codeAuth, "the broker refused the login or the operation").at("broker", "%s", where).
			because("%s", clip(oneline.Cause(err), 200)).
			fix("check KAFKA_SECURITY_PROTOCOL, KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and the password file: omnibus config show --origin")
	case errors.Is(err, bus.ErrUnreachable) && sentElsewhere(err, from.value) != "":
		return fail(codeAdvertised, "the brokers send their clients to %s, which cannot be reached from here", sentElsewhere(err, from.value)).
			at("broker", "%s", where).because("%s", away(err)).
			fix("omnibus doctor advertised").fix("advertise an address that can be reached from here too: omnibus up --advertise HOST:PORT, or advertised.listeners of the broker")
	case errors.Is(err, bus.ErrUnreachable):
		f := fail(codeReach, "no Kafka broker answers at %s", from.value).at("broker", "%s", where).because("%s", away(err))
		if from.origin == "default" || from.value == defaultBootstrap {
			return f.fix("omnibus up").fix("-b HOST:PORT, or KAFKA_BOOTSTRAP_SERVERS")
		}
		return f.fix("start the broker there, or change the address: -b HOST:PORT").fix("omnibus config show --origin")
	case errors.Is(err, bus.ErrUnknownTopic):
		if e := consumerEnd(err); e != nil && e.Topic != "" {
			return fail(codeTopic, "a consumer cannot go on: topic %s is gone", e.Topic).because("%s", clip(e.Err.Error(), 500)).fix("omnibus topics list")
		}
		if e, ok := errors.AsType[*bus.Error](err); ok && e.Partition >= 0 {
			return fail(codeTopic, "%s has no partition %d", e.Topic, e.Partition).because("its partitions are numbered from 0").fix("omnibus topics show %s", e.Topic)
		}
		return a.unknownTopic(topicOf(err))
	case errors.Is(err, bus.ErrUnknown):
		return fail(codeOutcome, "nobody can tell whether the event arrived").at("broker", "%s", where).
			because("the broker did not acknowledge it in time; it may still arrive").
			fix("publish it again with the same id: whoever reads it can tell that it is the same").
			fix("omnibus doctor, which says whether the addresses that the brokers advertise can be reached")
	case errors.Is(err, bus.ErrTruncated):
		if e := consumerEnd(err); e != nil {
			return fail(codeEmpty, "a consumer cannot go on: the log is not what it was reading").at("topic", "%s", e.Topic).
				because("%s", clip(e.Err.Error(), 500)).fix("omnibus topics show %s", e.Topic)
		}
		f := fail(codeEmpty, "the log no longer has what was asked for").because("retention removed it")
		return f.fix("--offset earliest begins at what is there")
	}
	return nil
}

// sentElsewhere is the address that a broker sent this client to in vain; empty where it was none but those of the settings.
func sentElsewhere(err error, brokers string) string {
	d, ok := errors.AsType[*bus.DialError](err)
	if !ok {
		return ""
	}
	for b := range strings.SplitSeq(brokers, ",") {
		if strings.TrimSpace(b) == d.Addr {
			return ""
		}
	}
	return d.Addr
}

// consumerEnd is the error with which a running consumer ended, or nil.
func consumerEnd(err error) *bus.Error {
	if e, ok := errors.AsType[*bus.Error](err); ok && (e.Op == "consume" || e.Op == "fetch") {
		return e
	}
	return nil
}

// away says in plain words why a broker cannot be reached.
func away(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return "the name " + dns.Name + " cannot be resolved"
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused: nothing listens there"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return "the connection was closed at once: a broker that asks for TLS or for another login does that"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
		return "something takes the connection and does not answer in time"
	}
	return clip(oneline.Cause(err), 200)
}

func (a *app) unknownTopic(t event.Topic) *failure {
	f := fail(codeTopic, "unknown topic %s", t).because("neither the catalogue nor the broker has it")
	if c, err := a.catalog(); err == nil {
		var names []string
		for s := range c.All() {
			names = append(names, string(s.Topic))
		}
		f.meant(string(t), names)
	}
	return f.fix("omnibus catalog list").fix("omnibus topics list")
}

func (a *app) portTaken(e *broker.PortTakenError) *failure {
	f := fail(codePort, "port %s is taken", e.Addr).because("another process listens there")
	if e.PID != 0 {
		f.because("process %d (%s) listens there", e.PID, e.Process)
	}
	flag := "--port-kafka"
	if strings.HasSuffix(e.Addr, ":"+a.settings.get("OMNIBUS_PORT_CONSOLE").value) {
		flag = "--port-console"
	}
	if strings.HasSuffix(e.Addr, ":"+a.settings.get("OMNIBUS_PORT_REGISTRY").value) {
		flag = "--port-registry"
	}
	return f.fix("stop that process; omnibus down where it is Omnibus").fix("%s PORT; 0 picks one that is free", flag)
}

// listenFailed explains why the health endpoints cannot be served.
func listenFailed(e *stack.ListenError) *failure {
	return fail(codeListen, "cannot listen on %s", e.Addr).because("%s", oneline.Cause(e)).fix("--listen with an address of this machine")
}

func (a *app) timedOut() *failure {
	t := a.settings.get("OMNIBUS_TIMEOUT")
	return fail(codeTimeout, "no answer within %s", t.value).at("timeout", "%s (from %s)", t.value, t.origin).
		because("the broker is slow, or answers at an address that cannot be reached from here").
		fix("--timeout with a longer time").fix("omnibus status")
}

func badJSON(line, column int, why string) *failure {
	return fail(codeJSON, "not valid JSON: line %d, column %d", line, column).at("where", "line %d, column %d", line, column).
		because("%s", why).fix("correct it there; in a shell, put the payload in single quotes or use @file")
}

// violates lists the rules that a payload breaks, at most five.
func violates(e *schema.Invalid) *failure {
	f := fail(codeSchema, "the payload breaks its schema: %s %s", pointerText(e.Pointer), e.Message).
		at("pointer", "%s", pointerText(e.Pointer)).at("rule", "%s", e.Rule)
	for i, o := range e.Others {
		if i == 4 {
			f.at("also", "%d more", len(e.Others)-i+e.Omitted)
			break
		}
		f.at("also", "%s %s (%s)", pointerText(o.Pointer), o.Message, o.Rule)
	}
	return f.because("the event is held against the schema in the catalogue").fix("correct %s", pointerText(e.Pointer))
}

func pointerText(p string) string {
	if p == "" {
		return "the value"
	}
	return p
}

// topicOf is the topic that the bus names in err.
func topicOf(err error) event.Topic {
	if e, ok := errors.AsType[*bus.Error](err); ok {
		return e.Topic
	}
	return ""
}

// cannotRead is the failure of a file that the user named.
func cannotRead(path string, err error) *failure {
	f := fail(codeFile, "cannot read %s", path).because("%s", plainPathError(err))
	if errors.Is(err, fs.ErrNotExist) {
		return f.fix("check the name; it is relative to the working directory")
	}
	return f.fix("make it readable")
}
