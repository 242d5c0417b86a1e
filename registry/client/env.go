package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// The variables that are read.
const (
	envURL  = "SCHEMA_REGISTRY_URL"
	envAuth = "SCHEMA_REGISTRY_BASIC_AUTH"
	envCA   = "SCHEMA_REGISTRY_SSL_CA"
)

// ConfigFrom reads variables for [New]; lookup finds one. ok is false where no registry is named. Values that may be secret are in
// no error.
//
//	SCHEMA_REGISTRY_URL   http://host:port
//	SCHEMA_REGISTRY_BASIC_AUTH_FILE   a file that holds user:password; without _FILE: the value itself
//	SCHEMA_REGISTRY_SSL_CA   a file in PEM, for https
func ConfigFrom(lookup func(string) (string, bool)) (cfg Config, ok bool, err error) {
	get := func(name string) string {
		v, _ := lookup(name)
		return strings.TrimSpace(v)
	}
	if cfg.URL = get(envURL); cfg.URL == "" {
		return Config{}, false, nil
	}
	if _, err := addresses(cfg.URL); err != nil {
		return Config{}, false, fmt.Errorf("%s: %w", envURL, err)
	}
	login, file := get(envAuth), get(envAuth+"_FILE")
	switch {
	case login != "" && file != "":
		return Config{}, false, fmt.Errorf("%s: set, and so is %s; keep one of them", envAuth, envAuth+"_FILE")
	case file != "":
		b, err := read(envAuth+"_FILE", file)
		if err != nil {
			return Config{}, false, err
		}
		login = strings.TrimRight(string(b), "\r\n")
	}
	if login != "" {
		user, password, colon := strings.Cut(login, ":")
		if !colon {
			return Config{}, false, fmt.Errorf("%s: want user:password", envAuth)
		}
		cfg.User, cfg.Password = user, password
	}
	if ca := get(envCA); ca != "" {
		pem, err := read(envCA, ca)
		if err != nil {
			return Config{}, false, err
		}
		cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
		if !cfg.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return Config{}, false, fmt.Errorf("%s: no certificate in PEM in the file", envCA)
		}
	}
	return cfg, true, nil
}

// read reads the file that a variable names. The name is not shown: it may be the secret itself, put into the wrong variable.
func read(name, file string) ([]byte, error) {
	b, err := os.ReadFile(file)
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		err = at.Err
	}
	if err != nil {
		return nil, fmt.Errorf("%s: read the file that it names: %w", name, err)
	}
	return b, nil
}
