package cli_test

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/bus"
)

// wrong is a command line that must fail, and how.
type wrong struct {
	name   string
	line   []string
	stdin  string
	env    []string
	exit   int
	code   string
	says   string // the cause, in the text
	advice string // the next step, in the text
	out    string // on standard output
}

func cmdline(s string) []string { return strings.Fields(s) }

// wrongInputs are lines that need no broker of their own; ADDR stands for the one of the test, TAKEN for a port that is in use.
func wrongInputs() []wrong {
	publish := func(topic string, payload ...string) []string { return append([]string{"publish", topic}, payload...) }
	return []wrong{
		// 2: how it is written
		{name: "unknown command", line: cmdline("pubilsh"), exit: 2, code: "OMB-0201", says: `"pubilsh" is not a command`, advice: "did you mean publish?"},
		{name: "unknown subcommand", line: cmdline("topics lst"), exit: 2, code: "OMB-0201", says: `"lst" is not a command of omnibus topics`, advice: "did you mean list?"},
		{name: "unknown flag", line: cmdline("topics list --bootstap x"), exit: 2, code: "OMB-0202", says: "no flag --bootstap", advice: "did you mean --bootstrap?"},
		{name: "unknown short flag", line: cmdline("topics list -z"), exit: 2, code: "OMB-0202", says: "no flag -z", advice: "omnibus topics list --help"},
		{name: "flag without value", line: cmdline("topics list --bootstrap"), exit: 2, code: "OMB-0203", says: "--bootstrap needs a value", advice: "--bootstrap brokers"},
		{name: "flag of another type", line: cmdline("consume x --limit many"), exit: 2, code: "OMB-0203", says: `"many" is not a value of --limit`, advice: "--limit n"},
		{name: "no arguments", line: cmdline("consume"), exit: 2, code: "OMB-0204", says: "needs a TOPIC", advice: "omnibus consume omninode"},
		{name: "too many arguments", line: cmdline("topics show a b"), exit: 2, code: "OMB-0204", says: "takes a TOPIC, got 2", advice: "--help"},
		{name: "no payload", line: publish(assessed), exit: 2, code: "OMB-0204", says: "standard input is empty", advice: "as an argument"},
		{name: "no target", line: cmdline("publish"), exit: 2, code: "OMB-0204", says: "needs an EVENT_TYPE", advice: "omnibus catalog list"},
		{name: "unknown format", line: cmdline("topics list -o yaml"), exit: 2, code: "OMB-0205", says: `cannot print as "yaml"`, advice: "-o table|json"},
		{name: "not a time", line: cmdline("consume x --from tomorrow"), exit: 2, code: "OMB-0206", says: "none of: 10m", advice: "--from 10m"},
		{name: "not an offset", line: cmdline("consume x --offset 3:x"), exit: 2, code: "OMB-0206", says: "partition:offset", advice: "--offset earliest"},
		{name: "partition twice", line: cmdline("consume x --offset 0:1,0:2"), exit: 2, code: "OMB-0206", says: "0:12,1:40", advice: "--offset earliest"},
		{name: "follow and an end", line: cmdline("consume x -f --offset @2h:@1h"), exit: 2, code: "OMB-0210", says: "one goes on, the other ends", advice: "use one of them"},
		{name: "two ends", line: cmdline("consume x --to 1h --offset @2h:@1h"), exit: 2, code: "OMB-0210", says: "both say where to end", advice: "use one of them"},
		{name: "two starts", line: cmdline("consume x --from 1h --offset 3"), exit: 2, code: "OMB-0210", says: "both say where to begin", advice: "use one of them"},
		{name: "the same start twice", line: cmdline("consume x --from 1h --since 1h"), exit: 2, code: "OMB-0210", says: "both say where to begin", advice: "use one of them"},
		{name: "two ends", line: cmdline("consume x --to 1h --until 1h"), exit: 2, code: "OMB-0210", says: "both say where to end", advice: "use one of them"},
		{name: "less than none", line: cmdline("consume x --last -1"), exit: 2, code: "OMB-0203", says: "--last must be 1 or more", advice: "--last 10"},
		{name: "negative limit", line: cmdline("consume x --limit -1"), exit: 2, code: "OMB-0203", says: "--limit must be 1 or more", advice: "--limit 10"},
		{name: "rpk's way, of another type", line: cmdline("topic consume x --num many"), exit: 2, code: "OMB-0203", says: `"many" is not a value of --num`, advice: "--num n"},
		{name: "rpk's way, without a group", line: cmdline("group describe"), exit: 2, code: "OMB-0204", says: "needs a GROUP", advice: "omnibus groups show"},
		{name: "rpk's way, to nowhere", line: cmdline("group seek g -q"), exit: 2, code: "OMB-0204", says: "nothing says where to go", advice: "--to earliest"},
		{name: "last and from", line: cmdline("consume x --from 1h --last 3"), exit: 2, code: "OMB-0210", says: "both say where to begin", advice: "use one of them"},
		{name: "follow and to", line: cmdline("consume x -f --to 1h"), exit: 2, code: "OMB-0210", says: "one goes on, the other ends", advice: "use one of them"},
		{name: "group and last", line: cmdline("consume x -g g --last 3"), exit: 2, code: "OMB-0210", says: "reads on from where it is", advice: "use one of them"},
		{name: "group and time", line: cmdline("consume x -g g --from 1h"), exit: 2, code: "OMB-0210", says: "earliest or latest", advice: "leave out --group"},
		{name: "peek alone", line: cmdline("consume x --peek"), exit: 2, code: "OMB-0210", says: "nothing is committed anyway", advice: "--group GROUP --peek"},
		{name: "not an expression", line: []string{"consume", "x", "--where", ".payload.a > > 1"}, exit: 2, code: "OMB-0211", says: "line 1, column 14", advice: "--where '.payload"},
		{name: "unknown function", line: []string{"consume", "x", "--where", ".payload|lengt > 1"}, exit: 2, code: "OMB-0211", says: "function not defined: lengt/0", advice: "did you mean length?"},
		{name: "member without a dot", line: []string{"consume", "x", "--where", "quality_score > 1"}, exit: 2, code: "OMB-0211", says: "^", advice: ".payload.quality_score"},
		{name: "not a format", line: []string{"consume", "x", "--format", "%t %y"}, exit: 2, code: "OMB-0212", says: "%y stands for nothing", advice: "%t topic"},
		{name: "template without a format", line: cmdline("consume x -o template"), exit: 2, code: "OMB-0212", says: "needs --format", advice: "--format '%t"},
		{name: "not a path", line: cmdline("consume x --fields key,payload..a"), exit: 2, code: "OMB-0213", says: "want a name", advice: "--fields key"},
		{name: "two ways to print", line: cmdline("consume x --fields key --no-envelope"), exit: 2, code: "OMB-0210", says: "both say what of a record", advice: "%{payload}"},
		{name: "format and output", line: cmdline("consume x --format %v -o yaml"), exit: 2, code: "OMB-0210", says: "both say how", advice: "use one of them"},
		{name: "jq to print that is none", line: cmdline("consume x --jq .["), exit: 2, code: "OMB-0211", says: "unexpected EOF", advice: "--jq '"},
		{name: "header to filter by without a name", line: cmdline("consume x --header =1"), exit: 2, code: "OMB-0203", says: "is not a header", advice: "--header name=value"},
		{name: "correlation to filter by", line: []string{"consume", "x", "-c", "a\nb"}, exit: 2, code: "OMB-0203", says: "printable", advice: "--correlation"},
		{name: "trace of nothing", line: cmdline("trace"), exit: 2, code: "OMB-0204", says: "needs a CORRELATION_ID", advice: "omnibus trace --last"},
		{name: "trace of an impossible id", line: []string{"trace", "a\nb"}, exit: 2, code: "OMB-0204", says: "printable", advice: "omnibus trace --last"},
		{name: "trace of two", line: cmdline("trace a b"), exit: 2, code: "OMB-0204", says: "got 2", advice: "--help"},
		{name: "trace of one and the last", line: cmdline("trace a --last"), exit: 2, code: "OMB-0210", says: "both say which flow", advice: "use one of them"},
		{name: "trace since never", line: cmdline("trace a --since latest"), exit: 2, code: "OMB-0206", says: "--since", advice: "--since 10m"},
		{name: "trace that goes on as a whole", line: cmdline("trace a --watch -o table"), exit: 2, code: "OMB-0210", says: "exclude each other", advice: "leave one out"},
		{name: "trace to no depth", line: cmdline("trace a --depth -1"), exit: 2, code: "OMB-0203", says: "--depth must be", advice: "--depth 3"},
		{name: "trace that collapses less", line: cmdline("trace a --collapse -1"), exit: 2, code: "OMB-0203", says: "--collapse must be", advice: "--collapse 200"},
		{name: "batch and payload", line: publish("x", "{}", "--batch"), exit: 2, code: "OMB-0210", says: "standard input", advice: "--batch < FILE"},
		{name: "key and no key", line: publish(assessed, "{}", "--key", "k", "--null-key"), exit: 2, code: "OMB-0210", says: "--key and --null-key", advice: "the empty key"},
		{name: "batch and raw", line: cmdline("publish --batch --raw"), exit: 2, code: "OMB-0210", says: "each line says", advice: "value_text"},
		{name: "batch and key", line: cmdline("publish --batch --null-key"), exit: 2, code: "OMB-0210", says: "a key of its own", advice: `"key" in each line`},
		{name: "batch and count", line: cmdline("publish --batch --count 3"), exit: 2, code: "OMB-0210", says: "once", advice: "leave out --count"},
		{name: "raw and correlation", line: publish(assessed, "x", "--raw", "-c", "flow"), exit: 2, code: "OMB-0210", says: "without an envelope", advice: "leave one of them out"},
		{name: "raw and causation", line: publish(assessed, "x", "--raw", "--causation", "x"), exit: 2, code: "OMB-0210", says: "without an envelope", advice: "leave one of them out"},
		{name: "null value of an event", line: publish(assessed, "--null-value"), exit: 2, code: "OMB-0210", says: "an event has a payload", advice: "publish --raw TOPIC"},
		{name: "null value and a value", line: publish(assessed, "x", "--raw", "--null-value"), exit: 2, code: "OMB-0210", says: "the other is none", advice: "leave one of them out"},
		{name: "partition of one event", line: publish(assessed, "{}", "--keep-partition"), exit: 2, code: "OMB-0210", says: "--keep-partition needs --batch", advice: "--key decides"},
		{name: "no count", line: publish(assessed, "{}", "--count", "0"), exit: 2, code: "OMB-0203", says: "1 or more", advice: "--count 100"},
		{name: "not a publishing rate", line: publish(assessed, "{}", "--rate", "fast"), exit: 2, code: "OMB-0203", says: "not a rate", advice: "--rate 50/s"},
		{name: "bad causation", line: publish(assessed, "{}", "--causation", "abc"), exit: 2, code: "OMB-0203", says: "not a UUID", advice: "--causation"},
		{name: "raw without a value", line: publish(assessed, "--raw"), exit: 2, code: "OMB-0204", says: "standard input is empty", advice: "--null-value"},
		{name: "payload file missing", line: publish(assessed, "@none.json"), exit: 2, code: "OMB-0209", says: "no such file", advice: "check the name"},
		{name: "header without value", line: publish(assessed, "{}", "-H", "novalue"), exit: 2, code: "OMB-0203", says: `"novalue" is not a header`, advice: "--header name=value"},
		{name: "reserved header", line: publish(assessed, "{}", "-H", "omnibus-event-id=x"), exit: 2, code: "OMB-0203", says: "reserved", advice: "another name"},
		{name: "bad correlation", line: publish(assessed, "{}", "-c", "a\nb"), exit: 2, code: "OMB-0203", says: "printable", advice: "--correlation"},
		{name: "bad timeout", line: cmdline("topics list --timeout 0s"), exit: 2, code: "OMB-0203", says: "flag --timeout", advice: "10s"},
		{name: "bad zone", line: cmdline("topics list"), env: []string{"OMNIBUS_TZ=Mars/Olympus"}, exit: 2, code: "OMB-0203", says: "environment OMNIBUS_TZ", advice: "Europe/Berlin"},
		{name: "bad color", line: cmdline("topics list --color sometimes"), exit: 2, code: "OMB-0203", says: "flag --color", advice: "auto, always or never"},
		{name: "bad address", line: cmdline("topics list -b nowhere"), exit: 2, code: "OMB-0207", says: "want host:port", advice: "config show --origin"},
		{name: "unknown variable", line: cmdline("topics list"), env: []string{"KAFKA_BOOTSTRAP_SERVER=x"}, exit: 2, code: "OMB-0207", says: "KAFKA_BOOTSTRAP_SERVER", advice: "config show --origin"},
		{name: "address with a scheme", line: cmdline("topics list -b kafka://localhost:9092"), exit: 2, code: "OMB-0207", says: "without a scheme", advice: "config show --origin"},
		{name: "unknown protocol", line: cmdline("topics list"), env: []string{"KAFKA_SECURITY_PROTOCOL=TLS"}, exit: 2, code: "OMB-0207", says: "want PLAINTEXT, SSL", advice: "config show --origin"},
		{name: "login without a password", line: cmdline("topics list"), env: []string{"KAFKA_SECURITY_PROTOCOL=SASL_SSL", "KAFKA_SASL_MECHANISM=PLAIN", "KAFKA_SASL_USERNAME=u"}, exit: 2, code: "OMB-0207", says: "KAFKA_SASL_PASSWORD: not set", advice: "config show --origin"},
		{name: "password in two places", line: cmdline("topics list"), env: []string{"KAFKA_SECURITY_PROTOCOL=SASL_SSL", "KAFKA_SASL_MECHANISM=PLAIN", "KAFKA_SASL_USERNAME=u", "KAFKA_SASL_PASSWORD=hunter2", "KAFKA_SASL_PASSWORD_FILE=x"}, exit: 2, code: "OMB-0207", says: "keep one of them", advice: "config show --origin"},
		{name: "no certificates", line: cmdline("topics list"), env: []string{"KAFKA_SECURITY_PROTOCOL=SSL", "KAFKA_SSL_CA=none.pem"}, exit: 2, code: "OMB-0207", says: "KAFKA_SSL_CA", advice: "config show --origin"},
		{name: "not a start", line: cmdline("topics list"), env: []string{"KAFKA_AUTO_OFFSET_RESET=beginning"}, exit: 2, code: "OMB-0207", says: "want earliest or latest", advice: "config show --origin"},
		{name: "not a number in flight", line: cmdline("topics list"), env: []string{"KAFKA_MAX_IN_FLIGHT=many"}, exit: 2, code: "OMB-0207", says: "want a number, 1 or more", advice: "config show --origin"},
		{name: "nothing in flight", line: cmdline("topics list"), env: []string{"KAFKA_MAX_IN_FLIGHT=0"}, exit: 2, code: "OMB-0207", says: "want a number, 1 or more", advice: "config show --origin"},
		{name: "topic of an unknown request", line: publish(validate, `{"code":"x"}`), env: []string{"KAFKA_CODEGEN_VALIDAT_REQUEST=x.v1"}, exit: 2, code: "OMB-0207", says: "did you mean KAFKA_CODEGEN_VALIDATE_REQUEST?", advice: "config show --origin"},
		{name: "request to dead letters", line: publish(validate, `{"code":"x"}`), env: []string{"KAFKA_CODEGEN_VALIDATE_REQUEST=" + validate + ".dlq"}, exit: 2, code: "OMB-0207", says: "is for dead letters", advice: "config show --origin"},
		{name: "request to another type", line: publish(validate, `{"code":"x"}`), env: []string{"KAFKA_CODEGEN_VALIDATE_REQUEST=" + assessed}, exit: 2, code: "OMB-0207", says: "declared for another event type", advice: "config show --origin"},
		{name: "no such timeout", line: cmdline("topics list"), env: []string{"OMNIBUS_TIMEOUT=soon"}, exit: 2, code: "OMB-0203", says: "environment OMNIBUS_TIMEOUT", advice: "10s"},
		{name: "unknown mechanism", line: cmdline("topics list"), env: []string{"KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT", "KAFKA_SASL_MECHANISM=X", "KAFKA_SASL_USERNAME=u", "KAFKA_SASL_PASSWORD=hunter2"}, exit: 2, code: "OMB-0207", says: "KAFKA_SASL_MECHANISM", advice: "config show --origin"},
		{name: "bad undeclared", line: cmdline("topics list"), env: []string{"OMNIBUS_UNDECLARED=maybe"}, exit: 2, code: "OMB-0207", says: "environment OMNIBUS_UNDECLARED", advice: "refuse, warn or allow"},
		{name: "check against nothing", line: cmdline("schema check ."), exit: 2, code: "OMB-0214", says: "what the files were", advice: "--against git:main"},
		{name: "check against a bare name", line: cmdline("schema check . --against main"), exit: 2, code: "OMB-0214", says: "begins with none of git:", advice: "--against git:main"},
		{name: "check against a misspelt kind", line: cmdline("schema check . --against gti:main"), exit: 2, code: "OMB-0214", says: "begins with none of git:", advice: "did you mean git:main?"},
		{name: "check against a flag of git", line: cmdline("schema check . --against git:--all"), exit: 2, code: "OMB-0214", says: "is not the name of a branch", advice: "--against git:main"},
		{name: "check against no directory", line: cmdline("schema check . --against dir:none"), exit: 2, code: "OMB-0214", says: "no such file", advice: "directory of schema files"},
		{name: "check against no registry", line: cmdline("schema check . --against registry:nowhere"), exit: 2, code: "OMB-0214", says: "not the address of a registry", advice: "registry:http://HOST"},
		{name: "check outside of a repository", line: cmdline("schema check . --against git:main"), env: []string{"GIT_CEILING_DIRECTORIES=/"}, exit: 2, code: "OMB-0214", says: "is not in a git repository", advice: "--against dir:PATH"},
		{name: "check of nothing", line: cmdline("schema check --against git:main"), exit: 2, code: "OMB-0204", says: "no directory schemas", advice: "omnibus schema check DIR"},
		{name: "check of what is not there", line: cmdline("schema check none --against git:main"), exit: 2, code: "OMB-0209", says: "no such file", advice: "check the name"},
		{name: "check where there is no schema", line: cmdline("schema check . --against dir:."), exit: 2, code: "OMB-0209", says: "ends in .json", advice: "omnibus schema check DIR"},
		{name: "misspelt level", line: cmdline("schema check . --against git:main --level full_transitve"), exit: 2, code: "OMB-0203", says: "not a compatibility level", advice: "did you mean FULL_TRANSITIVE?"},
		{name: "misspelt policy", line: cmdline("schema check . --against git:main --policy roles"), exit: 2, code: "OMB-0203", says: "not a policy", advice: "did you mean ROLE?"},
		{name: "no file of waivers", line: cmdline("schema check . --against git:main --waivers none.yaml"), exit: 2, code: "OMB-0209", says: "no such file", advice: "check the name"},
		{name: "diff of nothing", line: cmdline("schema diff"), exit: 2, code: "OMB-0204", says: "needs two schemas", advice: "omnibus schema diff"},
		{name: "diff of what is not there", line: cmdline("schema diff none.json none.json"), exit: 2, code: "OMB-0214", says: "no file and no event type", advice: "SUBJECT@latest"},
		{name: "diff of a directory", line: cmdline("schema diff . ."), exit: 2, code: "OMB-0214", says: "a directory", advice: "name a file"},
		{name: "diff of no version", line: cmdline("schema diff x-value@a..2"), exit: 2, code: "OMB-0214", says: "not the number of a version", advice: "SUBJECT@3..5"},
		{name: "diff of one version", line: cmdline("schema diff x-value@1"), exit: 2, code: "OMB-0214", says: "names one version", advice: "x-value@1..latest"},
		{name: "diff of no file of a commit", line: cmdline("schema diff git:main x"), exit: 2, code: "OMB-0214", says: "no file of a commit", advice: "git:REF:PATH"},
		{name: "diff outside of a repository", line: cmdline("schema diff git:main:a.json x"), env: []string{"GIT_CEILING_DIRECTORIES=/"}, exit: 2, code: "OMB-0214", says: "not in a git repository", advice: "name a file"},
		{name: "diff under a misspelt policy", line: cmdline("schema diff a b --policy strickt"), exit: 2, code: "OMB-0203", says: "not a policy", advice: "did you mean STRICT?"},
		{name: "show of nothing", line: cmdline("schema show"), exit: 2, code: "OMB-0204", says: "needs a SUBJECT or an EVENT", advice: "omnibus schema show"},
		{name: "show of no version", line: cmdline("schema show x --version last"), exit: 2, code: "OMB-0203", says: "not a version", advice: "--version latest"},
		{name: "show for no role", line: cmdline("schema show x --composed consumr"), exit: 2, code: "OMB-0203", says: "not a role", advice: "did you mean consumer?"},
		{name: "show of two things", line: cmdline("schema show x --version 1 --composed consumer"), exit: 2, code: "OMB-0210", says: "of the whole event already", advice: "leave one of them out"},
		{name: "no catalogue", line: cmdline("catalog list --catalog none"), exit: 2, code: "OMB-0208", says: "flag --catalog", advice: "directory of schema files"},
		{name: "no role", line: cmdline("run"), exit: 2, code: "OMB-0204", says: "needs --roles", advice: "--roles services"},
		{name: "unknown role", line: cmdline("run --roles service"), exit: 2, code: "OMB-0203", says: "there are: services, registry", advice: "did you mean services?"},
		{name: "too few events", line: cmdline("selftest --events 3"), exit: 2, code: "OMB-0203", says: "100 to 1000000", advice: "--events 100"},
		{name: "no partitions", line: cmdline("selftest --partitions 0"), exit: 2, code: "OMB-0203", says: "--partitions must be", advice: "--partitions 3"},
		{name: "short session", line: cmdline("selftest --session-timeout 1ms"), exit: 2, code: "OMB-0203", says: "1s or more", advice: "--session-timeout 6s"},
		{name: "bad threshold", line: cmdline("lag --fail-over soon"), exit: 2, code: "OMB-0203", says: "--fail-over", advice: "a duration such as 5s"},
		{name: "bad port", line: cmdline("up --embedded --port-kafka 99999"), exit: 2, code: "OMB-0203", says: "flag --port-kafka", advice: "1 to 65535"},
		{name: "bad listen address", line: cmdline("up --embedded --listen everywhere"), exit: 2, code: "OMB-0203", says: "not an address to listen on", advice: "--listen 127.0.0.1"},
		{name: "nothing to advertise", line: cmdline("up --embedded --listen 0.0.0.0 --insecure-listen"), exit: 2, code: "OMB-0210", says: "no address that a client", advice: "--advertise HOST:PORT"},
		{name: "bad advertised address", line: cmdline("up --embedded --advertise here"), exit: 2, code: "OMB-0203", says: "not an address to advertise", advice: "HOST:PORT"},
		{name: "reset to nowhere", line: cmdline("groups reset g"), exit: 2, code: "OMB-0204", says: "nothing says where to go", advice: "--to earliest"},
		{name: "not a place to reset to", line: cmdline("groups reset g --to soon"), exit: 2, code: "OMB-0206", says: "group:NAME", advice: "--to 2h"},
		{name: "an offset or a time", line: cmdline("groups reset g --to 1700000000"), exit: 2, code: "OMB-0206", says: "seconds since 1970", advice: "--to offset:1700000000"},
		{name: "no file of positions", line: cmdline("groups reset g --to file:none.json"), exit: 2, code: "OMB-0209", says: "no such file", advice: "check the name"},
		{name: "plan and options", line: cmdline("groups reset g --to earliest --plan 7f3a2b9c"), exit: 2, code: "OMB-0210", says: "a plan does not change", advice: "leave --to out"},
		{name: "setting without value", line: cmdline("topics create " + assessed + " --config retention.ms"), exit: 2, code: "OMB-0203", says: "takes name=value", advice: "--config retention.ms=14d"},
		{name: "misspelt setting", line: cmdline("topics config " + assessed + " --set retnetion.ms=1"), exit: 2, code: "OMB-0203", says: "neither Kafka nor this broker", advice: "did you mean retention.ms?"},
		{name: "setting of another type", line: cmdline("topics config " + assessed + " --set retention.ms=soon"), exit: 2, code: "OMB-0203", says: "not a whole number", advice: "omnibus topics config " + assessed},
		{name: "set and unset", line: cmdline("topics config x --set a=1 --unset a"), exit: 2, code: "OMB-0210", says: "both set and unset", advice: "keep one"},
		{name: "illegal topic name", line: []string{"topics", "create", "not a name"}, exit: 2, code: "OMB-0204", says: "not a name of a topic", advice: "omninode.codegen.request.validate.v1"},
		{name: "no file of topics", line: cmdline("topics diff -f none.yaml"), exit: 2, code: "OMB-0209", says: "no such file", advice: "check the name"},
		{name: "no fault key", line: cmdline("fault add"), exit: 2, code: "OMB-0203", says: "--key is needed", advice: "--key commit|"},
		{name: "misspelt fault key", line: cmdline("fault add --key producce --error DROP"), exit: 2, code: "OMB-0203", says: `"producce" is not a value of --key`, advice: "did you mean produce?"},
		{name: "misspelt fault error", line: cmdline("fault add --key produce --error not_leader_or_folower"), exit: 2, code: "OMB-0203", says: `"not_leader_or_folower" is not a value of --error`, advice: "did you mean NOT_LEADER_OR_FOLLOWER?"},
		{name: "fault without error", line: cmdline("fault add --key produce"), exit: 2, code: "OMB-0203", says: "without a delay", advice: "NOT_LEADER_OR_FOLLOWER"},
		{name: "fault of no topic", line: cmdline("fault add --key join --topic x --error DROP"), exit: 2, code: "OMB-0203", says: "name no topic", advice: "leave out --topic"},
		{name: "negative fault count", line: cmdline("fault add --key join --error DROP --count -1"), exit: 2, code: "OMB-0203", says: "negative", advice: "--help"},
		{name: "not a fault ID", line: cmdline("fault clear first"), exit: 2, code: "OMB-0203", says: "a number", advice: "omnibus fault list"},
		{name: "nothing to measure", line: cmdline("bench publsh"), exit: 2, code: "OMB-0204", says: "cannot be measured", advice: "did you mean publish?"},
		{name: "not a rate to measure at", line: cmdline("bench --target fast"), exit: 2, code: "OMB-0203", says: "1/s to 1000k/s", advice: "--target 10k/s"},
		{name: "too small to measure", line: cmdline("bench --size 1"), exit: 2, code: "OMB-0203", says: "64 bytes to 900 KiB", advice: "--size 1KiB"},
		{name: "too short to measure", line: cmdline("bench --duration 1ms"), exit: 2, code: "OMB-0203", says: "100ms to 10m", advice: "--duration 15s"},
		{name: "measuring nowhere", line: cmdline("bench --partitions 0"), exit: 2, code: "OMB-0203", says: "1 to 1000", advice: "--partitions 6"},
		{name: "no shell", line: cmdline("completion"), exit: 2, code: "OMB-0204", says: "needs one of bash, zsh", advice: "omnibus completion bash"},
		{name: "another shell", line: cmdline("completion tcsh"), exit: 2, code: "OMB-0204", says: "no completion for", advice: "omnibus completion bash"},
		{name: "setting without a value", line: cmdline("config set bootstrap"), exit: 2, code: "OMB-0204", says: "is not NAME=VALUE", advice: "omnibus config set bootstrap=VALUE"},
		{name: "unknown profile", line: cmdline("config use nowhere"), exit: 2, code: "OMB-0216", says: "no profile", advice: "omnibus config list"},
		{name: "unknown check", line: cmdline("doctor nothing"), exit: 2, code: "OMB-0204", says: "there is no check", advice: "omnibus doctor --help"},
		{name: "no group to delete", line: cmdline("groups delete"), exit: 2, code: "OMB-0204", says: "needs a GROUP", advice: "omnibus groups delete"},
		{name: "no topic to delete", line: cmdline("topics delete"), exit: 2, code: "OMB-0204", says: "needs a TOPIC", advice: "omnibus topics delete"},
		{name: "no file of topics", line: cmdline("topics apply -f none.yaml"), exit: 2, code: "OMB-0209", says: "no such file", advice: "check the name"},
		// 3: not found
		{name: "misspelt event type", line: publish("omninode.intelligence.event.quality_asessed.v1", "{}"), exit: 3, code: "OMB-0301", says: "neither the catalogue nor the broker", advice: "did you mean " + assessed},
		{name: "unknown topic", line: cmdline("consume omninode.codegen.request.validat.v1"), exit: 3, code: "OMB-0301", says: "unknown topic", advice: "did you mean " + validate},
		{name: "dry run into no topic", line: publish("nothing.like.it", "x", "--raw", "--dry-run"), exit: 3, code: "OMB-0301", says: "unknown topic", advice: "omnibus topics list"},
		{name: "topic to show", line: cmdline("topics show nothing.like.it"), exit: 3, code: "OMB-0301", says: "unknown topic", advice: "omnibus topics list"},
		{name: "unknown partition", line: cmdline("consume " + snapshot + " -p 7"), exit: 3, code: "OMB-0301", says: "it has 1 partition", advice: "omnibus topics show"},
		{name: "offset of an unknown partition", line: cmdline("consume " + snapshot + " --offset 0:0,7:3"), exit: 3, code: "OMB-0301", says: "no partition 7", advice: "omnibus topics show"},
		{name: "pattern without topics", line: cmdline("consume other.*"), exit: 3, code: "OMB-0306", says: "none by that name", advice: "--follow waits"},
		{name: "unknown group", line: cmdline("groups show briddge"), exit: 3, code: "OMB-0302", says: "no group of that name", advice: "omnibus groups list"},
		{name: "undeclared topic", line: cmdline("topics create omninode.codegen.request.validat.v1"), exit: 3, code: "OMB-0301", says: "checked against a schema", advice: "did you mean " + validate},
		{name: "nothing desired", line: cmdline("topics diff nothing.*"), exit: 3, code: "OMB-0306", says: "no topic in it matches", advice: "omnibus catalog list"},
		{name: "unknown plan", line: cmdline("groups reset g --execute --plan 00000000"), exit: 3, code: "OMB-0309", says: "none of this name", advice: "make a new plan"},
		{name: "reset of an unknown group", line: cmdline("groups reset nobody --to earliest"), exit: 3, code: "OMB-0302", says: "no group of that name", advice: "omnibus groups list"},
		{name: "lag of an unknown group", line: cmdline("lag nobody"), exit: 3, code: "OMB-0302", says: "no group of that name", advice: "omnibus groups list"},
		{name: "unknown event type", line: cmdline("catalog show quality_asessed"), exit: 3, code: "OMB-0303", says: "does not declare it", advice: "did you mean quality_assessed?"},
		{name: "ambiguous event type", line: cmdline("catalog show validate"), exit: 3, code: "OMB-0303", says: "in their name", advice: "omnibus catalog show omninode.codegen.request.validate.v1"},
		{name: "unknown dead letter", line: cmdline("dlq show 0c928166e77c"), exit: 3, code: "OMB-0304", says: "no dead letter, fingerprint or event has this name", advice: "omnibus dlq list"},
		{name: "nothing runs", line: cmdline("status"), exit: 3, code: "OMB-0305", says: "holds the data directory", advice: "omnibus up"},
		{name: "nothing to make fail", line: cmdline("fault list"), exit: 3, code: "OMB-0305", says: "holds the data directory", advice: "omnibus up"},
		{name: "unknown service", line: cmdline("up --embedded --services brige"), exit: 3, code: "OMB-0307", says: "there are: bridge", advice: "did you mean bridge?"},
		{name: "unknown page", line: cmdline("cheat publsh"), exit: 3, code: "OMB-0310", says: "there are: consume", advice: "did you mean publish?"},
		{name: "nothing to explain", line: cmdline("explain nothing.like.it"), exit: 3, code: "OMB-0310", says: "no error code, field", advice: "omnibus explain lists the codes"},
		{name: "code that is none", line: cmdline("explain OMB-9999"), exit: 3, code: "OMB-0310", says: "nothing is called OMB-9999", advice: "omnibus explain lists the codes"},
		{name: "no topic to delete there", line: cmdline("topics delete nothing.like.it"), exit: 3, code: "OMB-0301", says: "unknown topic", advice: "omnibus topics list"},
		{name: "no group to delete there", line: cmdline("groups delete nobody"), exit: 3, code: "OMB-0302", says: "no group of that name", advice: "omnibus groups list"},
		// 4: not reachable
		{name: "broker away, by flag", line: cmdline("topics list -b TAKEN"), exit: 4, code: "OMB-0401", says: "nothing listens there", advice: "config show --origin"},
		{name: "nothing to test", line: cmdline("selftest -b TAKEN"), exit: 4, code: "OMB-0401", says: "nothing listens there", advice: "config show --origin"},
		{name: "broker away, by environment", line: cmdline("lag"), env: []string{"KAFKA_BOOTSTRAP_SERVERS=TAKEN"}, exit: 4, code: "OMB-0401", says: "(from environment KAFKA_BOOTSTRAP_SERVERS)", advice: "-b HOST:PORT"},
		// 7: content
		{name: "bad JSON", line: publish(assessed, "{\"entity_id\": \"a\",\n  \"quality_score\": .5}"), exit: 7, code: "OMB-0701", says: "line 2, column 20", advice: "correct it there"},
		{name: "duplicate member", line: publish(assessed, `{"entity_id":"a","entity_id":"b"}`), exit: 7, code: "OMB-0701", says: "line 1, column", advice: "correct it there"},
		{name: "two values", line: publish(assessed, `{} {}`), exit: 7, code: "OMB-0701", says: "line 1, column 4", advice: "single quotes"},
		{name: "not an object", line: publish(assessed, `[1]`), exit: 7, code: "OMB-0702", says: "must be an object", advice: "correct the value"},
		{name: "missing member", line: publish(assessed, `{"entity_id":"hunter2"}`), exit: 7, code: "OMB-0702", says: "/payload/quality_score", advice: "omnibus catalog show " + assessed},
		{name: "out of range", line: publish(assessed, `{"entity_id":"hunter2","quality_score":92}`), exit: 7, code: "OMB-0702", says: "maximum", advice: "correct /payload/quality_score"},
		{name: "undeclared member", line: publish(assessed, `{"entity_id":"a","quality_score":1,"extra":"hunter2"}`), exit: 7, code: "OMB-0702", says: "additionalProperties", advice: "correct /payload/extra"},
		{name: "member and its alias", line: publish(assessed, `{"entity_id":"a","quality_score":1,"onex_compliance":1,"onex_compliance_score":1}`), exit: 7, code: "OMB-0704", says: "alias", advice: "omnibus catalog show"},
		{name: "batch without topic", line: cmdline("publish --batch"), stdin: `{"payload":{}}`, exit: 7, code: "OMB-0704", says: "line 1", advice: "run it again", out: "published 0, failed 1\n"},
		{name: "batch without partitions", line: cmdline("publish --batch --keep-partition"), stdin: `{"topic":"` + assessed + `","value":{}}`, exit: 7, code: "OMB-0704", says: "line 1", advice: "run it again", out: "published 0, failed 1\n"},
		{name: "batch into no partition", line: cmdline("publish --batch --keep-partition"), stdin: `{"topic":"` + assessed + `","partition":6,"value":{}}`, exit: 7, code: "OMB-0704", says: "line 1", advice: "run it again", out: "published 0, failed 1\n"},
		{name: "dry run against the schema", line: publish(assessed, `{"entity_id":"hunter2"}`, "--dry-run"), exit: 7, code: "OMB-0702", says: "/payload/quality_score", advice: "omnibus catalog show " + assessed},
		{name: "batch of bad JSON", line: cmdline("publish --batch"), stdin: "{", exit: 7, code: "OMB-0701", says: "line 1", advice: "run it again", out: "published 0, failed 1\n"},
		// 9: refused
		{name: "settings elsewhere", line: cmdline("up"), env: []string{"KAFKA_BOOTSTRAP_SERVERS=kafka.example:9092"}, exit: 9, code: "OMB-0903", says: "environment KAFKA_BOOTSTRAP_SERVERS", advice: "omnibus run --roles services"},
		{name: "open to the world", line: cmdline("up --embedded --listen 0.0.0.0"), exit: 9, code: "OMB-0904", says: "read and write all events", advice: "--insecure-listen"},
		{name: "Kafka port taken", line: cmdline("up --embedded --services none --port-console 0 --port-registry 0 --port-kafka NUMBER"), exit: 9, code: "OMB-0901", says: "process PID", advice: "--port-kafka PORT"},
		{name: "topic that is there", line: cmdline("topics create " + assessed), exit: 9, code: "OMB-0913", says: "it is as it should be", advice: "omnibus topics diff " + assessed},
		{name: "health port taken", line: cmdline("up --embedded --services none --port-kafka 0 --port-console NUMBER --port-registry 0"), exit: 9, code: "OMB-0901", says: "process PID", advice: "--port-console PORT"},
	}
}

// chain is what Go's nested errors look like, and names that only a programmer knows.
var chain = regexp.MustCompile(`: [a-z][a-z ]*: [a-z][a-z ]*: |kerr\.|\*[a-z]+\.[A-Z]|%!|panic|goroutine|dial tcp|open bus|not sent`)

func TestWrongInputSaysWhatWhyAndWhatNext(t *testing.T) {
	addr := startBroker(t)
	b := openBus(t, addr)
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+addr)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	away := freeAddr(t)
	before := ends(t, b)
	inputs := map[string]bool{}
	for _, w := range wrongInputs() {
		inputs[strings.Join(w.line, " ")+strings.Join(w.env, " ")+w.stdin] = true
		t.Run(w.name, func(t *testing.T) {
			fill := strings.NewReplacer("TAKEN", away, "PID", pidText(), "NUMBER", port)
			own := s
			own.env = append(append([]string{}, s.env...), w.env...)
			for i := range own.env {
				own.env[i] = fill.Replace(own.env[i])
			}
			line := cmdlineWith(fill, w.line)
			r := own.run(t.Context(), w.stdin, line...)
			w.says = strings.ReplaceAll(w.says, "PID", pidText())
			check(t, w, r)
		})
	}
	if diff := cmp.Diff(before, ends(t, b)); diff != "" {
		t.Errorf("wrong input was published (-before +after):\n%s", diff)
	}
	if len(inputs) < 150 {
		t.Errorf("%d wrong inputs, want 150", len(inputs))
	}
}

// ends are the end offsets of all topics of events and of dead letters.
func ends(t *testing.T, b *bus.Bus) map[string]int64 {
	t.Helper()
	topics, err := b.Topics(t.Context(), "*", "*.dlq")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int64{}
	for _, topic := range topics {
		for _, p := range topic.Partitions {
			out[string(topic.Name)+"/"+itoa(int(p.Partition))] = p.End
		}
	}
	return out
}

func check(t *testing.T, w wrong, r result) {
	t.Helper()
	if r.code != w.exit {
		t.Errorf("exit %d, want %d", r.code, w.exit)
	}
	if !strings.Contains(r.stderr, "error["+w.code+"]: ") {
		t.Errorf("no error[%s]", w.code)
	}
	if !strings.Contains(r.stderr, w.says) {
		t.Errorf("the text lacks the cause %q", w.says)
	}
	if _, fixes, ok := strings.Cut(r.stderr, "\n  fix"); !ok || !strings.Contains(fixes, w.advice) {
		t.Errorf("the text lacks the next step %q", w.advice)
	}
	if bad := chain.FindString(r.stderr); bad != "" {
		t.Errorf("the text shows the inside: %q", bad)
	}
	for _, secret := range []string{"hunter2", "Usage:"} {
		if strings.Contains(r.stderr+r.out, secret) {
			t.Errorf("the text contains %q", secret)
		}
	}
	if r.out != w.out {
		t.Errorf("standard output has %q", r.out)
	}
	if t.Failed() {
		t.Logf("it says:\n%s", r.stderr)
	}
}

func TestTooLargePayloadIsRefused(t *testing.T) {
	addr := startBroker(t)
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+addr)
	var dimensions strings.Builder
	for i := range 120_000 {
		if i > 0 {
			dimensions.WriteByte(',')
		}
		dimensions.WriteString(`"d` + strings.Repeat("0", 4) + itoa(i) + `":1`)
	}
	r := s.run(t.Context(), `{"entity_id":"a","quality_score":1,"dimensions":{`+dimensions.String()+`}}`, "publish", assessed)
	check(t, wrong{exit: 7, code: "OMB-0703", says: "above the limit", advice: "reference"}, r)
	if n := records(t, openBus(t, addr), assessed); n != 0 {
		t.Errorf("%d records were published", n)
	}
}

func TestDataDirectoryInUseIsRefused(t *testing.T) {
	s := newShell(t)
	args := []string{"up", "--services", "none", "--port-kafka", "0", "--port-console", "0", "--port-registry", "0", "--data", "data"}
	s.whileUp(t, args, func(brokers string) {
		r := s.run(t.Context(), "", args...)
		check(t, wrong{exit: 9, code: "OMB-0905", says: brokers, advice: "omnibus down"}, r)
		if err := os.Remove(filepath.Join(s.dir, "data", "up.lock")); err != nil { // as if the first were another program
			t.Fatal(err)
		}
		r = s.run(t.Context(), "", args...)
		check(t, wrong{exit: 9, code: "OMB-0902", says: "process " + pidText(), advice: "--ephemeral"}, r)
	})
}

func TestSettingsFileIsChecked(t *testing.T) {
	for _, c := range []struct{ name, file, says, advice string }{
		{"unknown key", "bootstrap: a:1\nbootstrp: b:1\n", `omnibus.yaml:2: unknown key "bootstrp"`, "did you mean bootstrap?"},
		{"key twice", "tz: utc\ntz: local\n", "omnibus.yaml", "line"},
		{"mapping as value", "bootstrap:\n  host: a\n", `omnibus.yaml:1: key "bootstrap" needs a plain value`, "on one line"},
		{"not a mapping", "- a\n- b\n", "omnibus.yaml:1: the file is not a mapping", "key: value"},
		{"not YAML", "a: [\n", "omnibus.yaml is not YAML", "key: value"},
		{"a secret", "sasl_password: hunter2\n", `unknown key "sasl_password"`, "sasl_password_file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShell(t)
			if err := os.WriteFile(filepath.Join(s.dir, "omnibus.yaml"), []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
			r := s.run(t.Context(), "", "catalog", "list")
			if c.name == "key twice" { // whoever notices it first
				c.advice = ""
			}
			check(t, wrong{exit: 2, code: "OMB-0207", says: c.says, advice: c.advice}, r)
		})
	}
}

func TestSettingsFileIsNamedAsOrigin(t *testing.T) {
	s := newShell(t)
	away := freeAddr(t)
	if err := os.WriteFile(filepath.Join(s.dir, "omnibus.yaml"), []byte("# ours\nbootstrap:\n  - "+away+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := s.run(t.Context(), "", "topics", "list")
	check(t, wrong{exit: 4, code: "OMB-0401", says: away + " (from omnibus.yaml:2)", advice: "-b HOST:PORT"}, r)
}

func TestUndeclaredTopicsArePublishedWhereAllowed(t *testing.T) {
	addr := startBroker(t)
	if _, err := openBus(t, addr).EnsureTopics(t.Context(), "house.other.thing.v1"); err != nil {
		t.Fatal(err)
	}
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+addr)
	r := s.run(t.Context(), "", "publish", "house.other.thing.v1", `{"a":1}`)
	check(t, wrong{exit: 3, code: "OMB-0301", says: "unknown topic", advice: "omnibus catalog list"}, r)
	s.env = append(s.env, "OMNIBUS_UNDECLARED=allow")
	s.must(t, "", "publish", "house.other.thing.v1", `{"a":1}`)
}

func records(t *testing.T, b *bus.Bus, topic string) (n int) {
	t.Helper()
	for _, err := range b.Scan(t.Context(), bus.Range{Topics: globsOf(globOf(topic))}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}
