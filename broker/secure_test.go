package broker_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/omninode-ai/omnibus/broker"
)

// certificate returns what a server on 127.0.0.1 and a client that trusts it need.
func certificate(t *testing.T) (server, trusting *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: roots}
}

func mechanism(name, user, password string) sasl.Mechanism {
	auth := scram.Auth{User: user, Pass: password}
	switch name {
	case "SCRAM-SHA-256":
		return auth.AsSha256Mechanism()
	case "SCRAM-SHA-512":
		return auth.AsSha512Mechanism()
	default:
		return plain.Auth{User: user, Pass: password}.AsMechanism()
	}
}

// connect asks a broker for its topics.
func connect(t *testing.T, b *broker.Broker, opts ...kgo.Opt) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := kadm.NewClient(client(t, b, append(opts, kgo.RequestRetries(0))...)).ListTopics(ctx)
	return err
}

func TestUsersAndTLS(t *testing.T) {
	server, trusting := certificate(t)
	dir := t.TempDir()
	for _, password := range []string{"first-secret", "second-secret"} { // the configuration counts, not what a start before had
		var users []broker.User
		for _, m := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
			users = append(users, broker.User{Mechanism: m, Name: "ann-" + m, Password: password})
		}
		b := start(t, broker.Config{Dir: dir, TLS: server, SASL: users})
		for _, u := range users {
			if err := connect(t, b, kgo.DialTLSConfig(trusting), kgo.SASL(mechanism(u.Mechanism, u.Name, u.Password))); err != nil {
				t.Errorf("%s: %v", u.Mechanism, err)
			}
			err := connect(t, b, kgo.DialTLSConfig(trusting), kgo.SASL(mechanism(u.Mechanism, u.Name, "wrong")))
			if err == nil {
				t.Errorf("%s: a wrong password passes", u.Mechanism)
			}
			if u.Mechanism == "PLAIN" && !errors.Is(err, kerr.SaslAuthenticationFailed) {
				t.Errorf("%s with a wrong password: %v", u.Mechanism, err)
			}
		}
		if err := connect(t, b, kgo.DialTLSConfig(trusting)); err == nil {
			t.Error("a client without a user passes")
		}
		if err := connect(t, b, kgo.DialTLSConfig(new(tls.Config)), kgo.SASL(mechanism("PLAIN", "ann-PLAIN", password))); err == nil {
			t.Error("a client that does not trust the certificate passes")
		}
		noSecrets(t, dir)
		stop(t, b)
		noSecrets(t, dir)
	}
}

// noSecrets looks for passwords in the data directory.
func noSecrets(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if strings.Contains(string(raw), "-secret") || strings.Contains(string(raw), "salted") {
			t.Errorf("%s holds a user's secret", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
