package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/internal/oneline"
)

// checkDNS goes the whole way to every broker at once; the checks that follow tell of the further steps.
func checkDNS(ctx context.Context, e *exam) []Finding {
	e.probes = probeAll(ctx, e.cfg.Bus, e.cfg.Bus.Brokers)
	return e.step(bus.Resolved, func(a bus.Answer) []Finding {
		return []Finding{{OK, a.Addr + " is " + few(a.IPs), ""}}
	}, func(a bus.Answer) Finding {
		return Finding{Fail, a.Addr + ": " + why(a.Err), e.elsewhere("correct the name")}
	})
}

func probeAll(ctx context.Context, cfg bus.Config, addrs []string) []bus.Answer {
	answers := make([]bus.Answer, len(addrs))
	var all sync.WaitGroup
	for i, addr := range addrs {
		all.Go(func() { answers[i] = bus.Probe(ctx, cfg, addr) })
	}
	all.Wait()
	return answers
}

// elsewhere says where the addresses are from, to be corrected there.
func (e *exam) elsewhere(what string) string {
	return what + " in " + bootstrap + " (now from " + e.cfg.Origin + "), or -b HOST:PORT"
}

// step tells of one step of the way, for the brokers that came so far. Where another broker came through, one that did not is
// a warning: clients find their way.
func (e *exam) step(want bus.Stage, good func(bus.Answer) []Finding, bad func(bus.Answer) Finding) []Finding {
	through := slices.ContainsFunc(e.probes, func(a bus.Answer) bool { return a.Reached >= want })
	var found []Finding
	for _, a := range e.probes {
		switch {
		case a.Reached >= want:
			found = append(found, good(a)...)
		case a.Reached == want-1:
			f := bad(a)
			if through {
				f.Status = Warn
			}
			found = append(found, f)
		}
	}
	return found
}

func checkTCP(_ context.Context, e *exam) []Finding {
	return e.step(bus.Connected, func(a bus.Answer) []Finding {
		return []Finding{{OK, fmt.Sprintf("%s takes connections, within %s", a.Addr, ms(a.Took)), ""}}
	}, func(a bus.Answer) Finding {
		fix := e.elsewhere("start the broker there, or correct the address")
		if host, _, err := net.SplitHostPort(a.Addr); err == nil && (host == "localhost" || net.ParseIP(host).IsLoopback()) {
			fix = "omnibus up, or " + fix
		}
		return Finding{Fail, a.Addr + ": " + why(a.Err), fix}
	})
}

// soon is how long before its end a certificate needs attention.
const soon = 30 * 24 * time.Hour

func checkTLS(_ context.Context, e *exam) []Finding {
	if e.cfg.Bus.TLS == nil {
		return []Finding{{Skip, "no TLS is configured (KAFKA_SECURITY_PROTOCOL)", ""}}
	}
	return e.step(bus.Secured, func(a bus.Answer) []Finding {
		if len(a.Certificates) == 0 {
			return []Finding{{OK, a.Addr + ": the handshake went through", ""}}
		}
		return judgeCertificates(a.Addr, a.Certificates, e.cfg.Now())
	}, func(a bus.Answer) Finding {
		return Finding{Fail, a.Addr + ": " + refusedCertificate(a, e.cfg.Now()), "KAFKA_SSL_CA=FILE with the certificates to trust, or correct the broker's keystore"}
	})
}

// judgeCertificates looks at the ends of a chain that was accepted.
func judgeCertificates(addr string, chain []*x509.Certificate, now time.Time) []Finding {
	var found []Finding
	for _, c := range chain {
		if left := c.NotAfter.Sub(now); left < soon {
			found = append(found, Finding{
				Warn, fmt.Sprintf("%s: the certificate %s ends in %s, on %s", addr, subject(c), days(left), c.NotAfter.UTC().Format(time.DateOnly)),
				"renew it on the broker before then",
			})
		}
	}
	if len(found) == 0 {
		c := chain[0]
		found = append(found, Finding{OK, fmt.Sprintf("%s: the certificate %s of %s is good for %s", addr, subject(c), name(c.Issuer.CommonName), days(c.NotAfter.Sub(now))), ""})
	}
	return found
}

func refusedCertificate(a bus.Answer, now time.Time) string {
	if len(a.Certificates) == 0 {
		return "the TLS handshake failed: " + why(a.Err)
	}
	c := a.Certificates[0]
	var (
		host    x509.HostnameError
		unknown x509.UnknownAuthorityError
	)
	switch {
	case now.After(c.NotAfter):
		return fmt.Sprintf("the certificate %s ended on %s", subject(c), c.NotAfter.UTC().Format(time.DateOnly))
	case errors.As(a.Err, &host):
		return fmt.Sprintf("the certificate is for %s, and not for %s", orNobody(append(slices.Clone(c.DNSNames), ips(c)...)), host.Host)
	case errors.As(a.Err, &unknown):
		return fmt.Sprintf("the certificate %s is signed by %s, whom nobody here trusts", subject(c), name(c.Issuer.CommonName))
	}
	return "the certificate " + subject(c) + " is refused: " + oneline.Cause(a.Err)
}

func ips(c *x509.Certificate) (out []string) {
	for _, ip := range c.IPAddresses {
		out = append(out, ip.String())
	}
	return out
}

func orNobody(names []string) string {
	if len(names) == 0 {
		return "no host at all"
	}
	return few(names)
}

func subject(c *x509.Certificate) string {
	if c.Subject.CommonName != "" {
		return c.Subject.CommonName
	}
	return "of " + orNobody(append(slices.Clone(c.DNSNames), ips(c)...))
}

func name(s string) string {
	if s == "" {
		return "an issuer without a name"
	}
	return s
}

func days(d time.Duration) string {
	if d < 48*time.Hour {
		return count(int(d.Hours()), "hour", "hours")
	}
	return count(int(d.Hours()/24), "day", "days")
}

func ms(d time.Duration) string { return d.Round(100 * time.Microsecond).String() }

func checkProtocol(_ context.Context, e *exam) []Finding {
	return e.step(bus.Spoken, judgeFeatures, func(a bus.Answer) Finding {
		switch {
		case errors.Is(a.Err, bus.ErrWantsTLS):
			return Finding{Fail, a.Addr + " speaks TLS, and no TLS is configured", "KAFKA_SECURITY_PROTOCOL=SSL, or SASL_SSL with a login"}
		case e.cfg.Bus.TLS == nil:
			return Finding{
				Fail, a.Addr + " does not answer as Kafka does: " + why(a.Err),
				e.elsewhere("see what listens there; a broker that speaks TLS needs KAFKA_SECURITY_PROTOCOL=SSL. Otherwise correct the address"),
			}
		}
		return Finding{Fail, a.Addr + " does not answer as Kafka does: " + why(a.Err), e.elsewhere("correct the address")}
	})
}

// judgeFeatures says what the broker does not have that the bus uses.
func judgeFeatures(a bus.Answer) []Finding {
	var found []Finding
	for _, f := range a.Lacks {
		status := Warn
		if f.Needed {
			status = Fail
		}
		found = append(found, Finding{status, fmt.Sprintf("%s is too old: it lacks %s in version %d, for %s", a.Addr, f.Request, f.Version, f.For), "update the broker"})
	}
	if len(found) == 0 {
		like := ""
		if a.Speaks != "" {
			like = " " + a.Speaks
		}
		found = append(found, Finding{OK, fmt.Sprintf("%s speaks the protocol of Kafka%s, and has all that Omnibus uses", a.Addr, like), ""})
	}
	return found
}

func checkLogin(_ context.Context, e *exam) []Finding {
	sasl := e.cfg.Bus.SASL
	return e.step(bus.Accepted, func(a bus.Answer) []Finding {
		if sasl.Mechanism == "" {
			return []Finding{{Skip, a.Addr + " wants no login, and none is configured", ""}}
		}
		return []Finding{{OK, fmt.Sprintf("%s took the login of %s with %s", a.Addr, sasl.User, sasl.Mechanism), ""}}
	}, func(a bus.Answer) Finding {
		switch {
		case sasl.Mechanism == "":
			return Finding{
				Fail, a.Addr + " does not answer without a login: " + why(a.Err),
				"KAFKA_SECURITY_PROTOCOL=SASL_SSL (or SASL_PLAINTEXT), KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD_FILE",
			}
		case errors.Is(a.Err, bus.ErrUnauthorized):
			return Finding{
				Fail, fmt.Sprintf("%s refused the login of %s with %s: %s", a.Addr, sasl.User, sasl.Mechanism, oneline.Cause(a.Err)),
				"check KAFKA_SASL_USERNAME, KAFKA_SASL_MECHANISM and the password: omnibus config show --origin",
			}
		}
		return Finding{ // some brokers hang up where they refuse
			Fail, fmt.Sprintf("%s does not go on after the login of %s with %s: %s", a.Addr, sasl.User, sasl.Mechanism, why(a.Err)),
			"check KAFKA_SASL_USERNAME, the password, and that the broker has KAFKA_SASL_MECHANISM: omnibus config show --origin",
		}
	})
}

func checkCluster(_ context.Context, e *exam) []Finding { return judgeCluster(e.probes) }

// judgeCluster holds what the brokers say of their cluster against each other.
func judgeCluster(probes []bus.Answer) []Finding {
	var found []Finding
	var first bus.Answer
	for _, a := range probes {
		switch {
		case a.Reached < bus.Accepted:
			continue
		case first.Addr == "":
			first = a
		case a.Cluster != first.Cluster:
			found = append(found, Finding{
				Fail, fmt.Sprintf("two clusters: %s belongs to %s, and %s to %s", first.Addr, name(first.Cluster), a.Addr, name(a.Cluster)),
				"name brokers of one cluster only in " + bootstrap,
			})
		}
		if a.Controller < 0 {
			found = append(found, Finding{Warn, a.Addr + " knows of no controller: no topic can be created or changed now", "look at the controllers of the cluster; an election takes seconds"})
		}
	}
	if len(found) == 0 {
		found = append(found, Finding{OK, fmt.Sprintf("cluster %s: %s, controller %d", first.Cluster, count(len(first.Nodes), "broker", "brokers"), first.Controller), ""})
	}
	return found
}

// checkAdvertised goes to where clients are sent: the brokers tell them an address of their own, which is often one that only
// their neighbours can reach.
func checkAdvertised(ctx context.Context, e *exam) []Finding {
	asked := map[int32]bus.Answer{} // node → who told its address
	nodes := map[int32]string{}
	for _, a := range e.probes {
		for _, n := range a.Nodes {
			if _, ok := nodes[n.ID]; !ok {
				nodes[n.ID], asked[n.ID] = n.Addr, a
			}
		}
	}
	ids := make([]int32, 0, len(nodes))
	addrs := make([]string, 0, len(nodes))
	for id := range nodes {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		addrs = append(addrs, nodes[id])
	}
	var found []Finding
	for i, a := range probeAll(ctx, e.cfg.Bus, addrs) {
		from := asked[ids[i]]
		told := fmt.Sprintf("%s sends clients of broker %d to %s", from.Addr, ids[i], a.Addr)
		switch {
		case a.Reached < bus.Accepted:
			found = append(found, Finding{Fail, told + ", where they come no further from here: " + why(a.Err), e.advertise(ids[i])})
		case a.Cluster != from.Cluster:
			found = append(found, Finding{Fail, fmt.Sprintf("%s, which from here is a broker of another cluster, %s", told, name(a.Cluster)), e.advertise(ids[i])})
		default:
			e.passable = true
			found = append(found, Finding{OK, fmt.Sprintf("broker %d is reached at %s, the address that clients are sent to", ids[i], a.Addr), ""})
		}
	}
	if len(found) == 0 {
		return []Finding{{Fail, "the cluster names no broker that clients could go to", "look at the logs of the brokers"}}
	}
	return found
}

// advertise says how to correct the address that a broker tells. What "omnibus up" runs here takes a flag.
func (e *exam) advertise(node int32) string {
	for _, b := range e.cfg.Up.Brokers {
		for _, a := range e.probes {
			if slices.ContainsFunc(a.Nodes, func(n bus.Node) bool { return n.Addr == b }) {
				return "omnibus down, then omnibus up --advertise HOST:PORT with an address that can be reached from here too"
			}
		}
	}
	return "set advertised.listeners of broker " + strconv.Itoa(int(node)) + " to an address that can be reached from here; for the broker of \"omnibus up\": --advertise HOST:PORT. " +
		"In containers that is a second listener, with a port of its own: " + strings.Join([]string{"INTERNAL://kafka:9092", "EXTERNAL://localhost:29092"}, ",")
}
