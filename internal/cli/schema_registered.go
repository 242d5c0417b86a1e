package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/govern"
	"github.com/omninode-ai/omnibus/registry/client"
)

// registrySource is what the registry has of the files' subjects.
type registrySource struct {
	a   *app
	url string // "": that of the settings
}

func (s registrySource) past(ctx context.Context, _ []schemaRoot, files []govern.File, transitive bool) (out past, err error) {
	if s.url != "" { // without the login, which is for the registry of the settings
		c, err := client.New(client.Config{URL: s.url, Timeout: min(client.DefaultTimeout, s.a.flags.timeout)})
		if err != nil {
			return out, fail(codeAgainst, "--against registry:%s is nothing to compare with", clip(s.url, 100)).because("it is not the address of a registry").
				fix("--against registry:http://HOST:8084").fix("--against registry")
		}
		s.a.schemas = c
	}
	c, err := s.a.needRegistry()
	if err != nil {
		return out, err
	}
	err = s.a.withinEach(ctx, len(files)+1, func(ctx context.Context) error {
		for _, f := range files {
			topic := govern.Identity(f.Name, f.Text)
			if topic == f.Name {
				continue // it names no topic, so that nothing is registered of it
			}
			p := govern.Past{Name: f.Name, Topic: topic, Whole: true}
			subject := event.Topic(topic).Subject()
			numbers, err := c.Versions(ctx, subject)
			if errors.Is(err, client.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			slices.Sort(numbers)
			slices.Reverse(numbers)
			if !transitive {
				numbers = numbers[:min(1, len(numbers))]
			}
			out.left += max(0, len(numbers)-maxVersions)
			for _, n := range numbers[:min(maxVersions, len(numbers))] {
				r, err := c.Version(ctx, subject, n)
				if err != nil {
					return err
				}
				text, err := bundled(ctx, c, r)
				if err != nil {
					return err
				}
				p.Releases = append(p.Releases, govern.Release{Where: fmt.Sprintf("%s@%d", subject, n), Text: text})
			}
			out.all = append(out.all, p)
		}
		return nil
	})
	return out, err
}
