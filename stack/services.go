package stack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/services/bridge"
)

// service is a program of the platform.
type service struct {
	name   string
	source string // who its events say that they come from: the owner in the catalogue
	group  string
	serves []event.Topic // the requests that it answers
	run    func(ctx context.Context, b *bus.Bus) error
}

func all() []service {
	return []service{{
		name: "bridge", source: "omninode_bridge", group: "bridge",
		serves: []event.Topic{"omninode.bridge.request.stamp.v1", "omninode.bridge.request.batch_stamp.v1", "omninode.bridge.request.verify.v1"},
		run:    func(ctx context.Context, b *bus.Bus) error { return bridge.Run(ctx, b, bridge.Config{}) },
	}}
}

// Services are the names of the services that a stack can run.
func Services() []string {
	var names []string
	for _, s := range all() {
		names = append(names, s.name)
	}
	return names
}

// UnknownServiceError says that there is no service of that name.
type UnknownServiceError struct{ Name string }

func (e *UnknownServiceError) Error() string {
	return fmt.Sprintf("no service %q; there are: %s", e.Name, strings.Join(Services(), ", "))
}

func choose(names []string) ([]service, error) {
	known := all()
	var chosen []service
	for _, name := range names {
		i := slices.IndexFunc(known, func(s service) bool { return s.name == name })
		if i < 0 {
			return nil, &UnknownServiceError{Name: name}
		}
		chosen = append(chosen, known[i])
	}
	return chosen, nil
}

// ServedError says that another group answers the requests of a service already: every request would be answered twice.
type ServedError struct {
	Service string
	Topic   event.Topic
	Group   string
}

func (e *ServedError) Error() string {
	return fmt.Sprintf("service %s: group %s already answers %s", e.Service, e.Group, e.Topic)
}

// work runs s on a bus of its own, so that its events name it, until ctx ends. opened gets that bus.
func (s service) work(ctx context.Context, cfg bus.Config, opened func(*bus.Bus)) (err error) {
	cfg.Service = s.source
	b, err := bus.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	opened(b)
	return s.run(ctx, b)
}

// alone checks that no other group serves the requests of s now. A group that reads the responses too, as a sink of
// everything does, does not give them.
func (s service) alone(ctx context.Context, b *bus.Bus) error {
	groups, err := b.Groups(ctx)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if g.Name == s.group {
			continue
		}
		holds := map[event.Topic]bool{}
		for _, m := range g.Members {
			for t := range m.Assigned {
				holds[t] = true
			}
		}
		for _, t := range s.serves {
			if spec, _ := b.Catalog().Lookup(t); holds[t] && !holds[spec.Replies] {
				return &ServedError{Service: s.name, Topic: t, Group: g.Name}
			}
		}
	}
	return nil
}
