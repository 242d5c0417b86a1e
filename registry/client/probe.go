package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// The makes of registries that can be told from each other.
const (
	Omnibus   = "Omnibus"
	Confluent = "Confluent"
	Redpanda  = "Redpanda"
	Karapace  = "Karapace"
	Apicurio  = "Apicurio"
)

// Server is what is known of a registry.
type Server struct {
	Make     string // empty: it speaks the protocol, and does not say whose it is
	Version  string // empty: it does not say
	GUIDs    bool   // schemas can be asked for by GUID, as the header form needs
	Contexts bool
}

func (s Server) String() string {
	switch {
	case s.Make == "":
		return "a registry of unknown make"
	case s.Version == "":
		return s.Make
	}
	return s.Make + " " + s.Version
}

// Probe tells what registry it is and what it serves. It is asked once: the answer is kept. It fails with ErrUnreachable where what
// answers is no registry.
func (c *Client) Probe(ctx context.Context) (Server, error) {
	c.mu.Lock()
	known := c.server
	c.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	if err := c.probeAtAll(ctx); err != nil {
		return Server{}, fmt.Errorf("is there a registry: %w", err)
	}
	var s Server
	for _, ask := range []func(context.Context, *Server) error{c.probeMake, c.probeGUIDs, c.probeContexts} {
		if err := ask(ctx, &s); err != nil {
			return Server{}, err
		}
	}
	c.mu.Lock()
	c.server = &s
	c.mu.Unlock()
	return s, nil
}

// probeAtAll asks for what every registry answers, and nothing else does.
func (c *Client) probeAtAll(ctx context.Context) error {
	var types []string
	err := c.call(ctx, "probe", http.MethodGet, "/schemas/types", nil, nil, &types)
	if errors.Is(err, ErrUnsupported) { // old ones
		var rule struct {
			Level string `json:"compatibilityLevel"`
		}
		err = c.call(ctx, "probe", http.MethodGet, "/config", nil, nil, &rule)
		if err == nil && rule.Level == "" {
			err = &Error{Op: "probe", URL: c.URL(), Status: http.StatusOK, Message: "the answer is not a registry's", kind: ErrUnreachable}
		}
	}
	if errors.Is(err, ErrUnsupported) || errors.Is(err, ErrNotFound) {
		return as(err, ErrUnreachable)
	}
	return err
}

// probeMake asks for what only one make answers, in the order in which an imitation would be taken for the original last.
func (c *Client) probeMake(ctx context.Context, s *Server) error {
	var v struct {
		Version string `json:"version"`
	}
	switch err := c.call(ctx, "probe the version", http.MethodGet, "/v1/metadata/version", nil, nil, &v); {
	case err == nil && v.Version != "":
		s.Make, s.Version = Confluent, v.Version
		return c.probeOurs(ctx, s)
	case lost(err):
		return err
	}
	if strings.Contains(c.urls[0], "/apis/ccompat") {
		s.Make = Apicurio
		return nil
	}
	var health struct {
		Version string `json:"karapace_version"`
		Healthy *bool  `json:"healthy"`
	}
	if err := c.call(ctx, "probe the health", http.MethodGet, "/_health", nil, nil, &health); lost(err) {
		return err
	} else if err == nil && (health.Version != "" || health.Healthy != nil) {
		s.Make, s.Version = Karapace, health.Version
		return nil
	}
	if err := c.call(ctx, "probe the state", http.MethodGet, "/status/ready", nil, nil, nil); lost(err) {
		return err
	} else if err == nil {
		s.Make = Redpanda
	}
	return nil
}

// probeOurs tells a registry of Omnibus, which answers as Confluent's does, by what it says of itself.
func (c *Client) probeOurs(ctx context.Context, s *Server) error {
	var of struct {
		Attributes []string `json:"attributes"`
	}
	err := c.call(ctx, "probe the deployment", http.MethodGet, "/v1/metadata/deployment", nil, nil, &of)
	if err == nil && slices.Contains(of.Attributes, "omnibus") {
		s.Make = Omnibus
	}
	if lost(err) {
		return err
	}
	return nil
}

// noSchema is a GUID that no schema has.
const noSchema = "00000000-0000-0000-0000-000000000000"

func (c *Client) probeGUIDs(ctx context.Context, s *Server) error {
	err := c.call(ctx, "probe GUIDs", http.MethodGet, "/schemas/guids/"+noSchema, nil, nil, nil)
	s.GUIDs = errors.Is(err, ErrNotFound)
	if lost(err) {
		return err
	}
	return nil
}

func (c *Client) probeContexts(ctx context.Context, s *Server) error {
	var names []string
	err := c.call(ctx, "probe contexts", http.MethodGet, "/contexts", url.Values{"limit": {"1"}}, nil, &names)
	s.Contexts = err == nil
	if lost(err) {
		return err
	}
	return nil
}

// lost tells whether err leaves open what the registry serves: some answer an unknown path with a page of their own, which says it.
func lost(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return errors.Is(err, ErrUnreachable) && (!ok || e.Status != http.StatusOK)
}
