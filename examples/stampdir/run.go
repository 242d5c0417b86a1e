package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/omninode-ai/omnibus/bus"
	contract "github.com/omninode-ai/omnibus/contracts/bridge"
	"github.com/omninode-ai/omnibus/event"
)

// run is one go through a directory.
type run struct {
	bus      *bus.Bus
	root     string        // absolute: a file keeps its ids, from wherever it is stamped
	patience time.Duration // how long to wait for an announcement while none comes
	progress *progress

	tally *tally
	id    string // tells this run's announcements from those of earlier runs; it travels in the events' metadata
}

// everyFile asks for a stamp on every regular file below r.root, and follows the announcements until each request has one,
// none came for r.patience, or ctx ends. The summary is right in any case.
func (r *run) everyFile(ctx context.Context) (summary, error) {
	r.tally, r.id = newTally(), event.NewID().String()
	paths, err := list(r.root)
	if err != nil {
		return summary{}, err
	}
	r.progress.begin, r.progress.total = time.Now(), len(paths)

	// The two sides end each other: a failure of either stops both, and the follower stops once all is told.
	g, ctx := errgroup.WithContext(ctx)
	following, stop := context.WithCancel(ctx)
	published := make(chan struct{})
	g.Go(func() error { return r.follow(following) })
	g.Go(func() error {
		defer close(published)
		return r.publish(ctx, paths)
	})
	g.Go(func() error {
		defer stop()
		return r.wait(ctx, published)
	})
	err = g.Wait()
	r.progress.end()
	s := r.tally.summary(len(paths))
	s.took = time.Since(r.progress.begin)
	return s, err
}

// publish sends the requests, many at once: the client batches what is on its way together.
func (r *run) publish(ctx context.Context, paths []string) error {
	const atOnce = 128
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, path := range paths {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error { return r.publishFile(ctx, path) })
	}
	return g.Wait()
}

// publishFile asks for a stamp on one file. The ids follow from path and content, so that a rerun repeats them and everyone
// downstream can tell. What differs between runs travels in the metadata, which the bridge's events carry on.
func (r *run) publishFile(ctx context.Context, path string) error {
	content, refused := read(filepath.Join(r.root, path))
	if refused != "" {
		r.tally.refuse(event.ID{}, refusal{path, refused})
		return nil
	}
	hash := hashOf(content)
	id := event.DeriveID(r.space(), filepath.ToSlash(path)+"\x00"+hash)
	r.tally.request(id, request{path, hash})
	_, err := r.bus.Publish(
		ctx, requestFor(path, content),
		bus.WithID(id),
		bus.WithCorrelation(r.correlation(path)),
		bus.WithMetadata(event.Metadata{Extra: fmt.Appendf(nil, `{"stampdir_run":%q}`, r.id)}),
	)
	switch {
	case errors.Is(err, bus.ErrTooLarge), errors.Is(err, bus.ErrInvalid):
		r.tally.refuse(id, refusal{path, err.Error()})
		return nil
	case err != nil:
		return fmt.Errorf("request a stamp for %s: %w", path, err)
	}
	return nil
}

// stampRequest is a stamp request with its content said even where that is empty: the contract's own type leaves out what is
// empty.
type stampRequest struct {
	contract.StampRequest

	Content *string `json:"content,omitzero"`
}

func requestFor(path string, content []byte) stampRequest {
	req := stampRequest{StampRequest: contract.StampRequest{FilePath: strings.ToValidUTF8(filepath.ToSlash(path), "\uFFFD")}}
	if utf8.Valid(content) {
		text := string(content)
		req.Content = &text
	} else {
		req.ContentBase64 = base64.StdEncoding.EncodeToString(content)
	}
	return req
}

// space is the namespace of the directory's ids: the same path in another directory is another file.
func (r *run) space() event.ID {
	return event.DeriveID(event.ID{}, "stampdir:"+filepath.ToSlash(r.root))
}

// correlation names the flow of one file: the same in every run, and told from others' by the directory's prefix.
func (r *run) correlation(path string) event.CorrelationID {
	return event.CorrelationID(r.flow() + event.DeriveID(r.space(), filepath.ToSlash(path)).String())
}

func (r *run) flow() string { return "stampdir-" + r.space().String() + "-" }

// follow reads the announcements, all that there are: those of earlier runs must have the same ids.
func (r *run) follow(ctx context.Context) error {
	return r.bus.Consume(ctx, bus.Consumer{Broadcast: true, From: bus.Earliest}, bus.Handle(r.stamped))
}

func (r *run) stamped(_ context.Context, e bus.Event[contract.MetadataStamped]) error {
	if strings.HasPrefix(string(e.Envelope.CorrelationID), r.flow()) {
		thisRun := strings.Contains(string(e.Envelope.Metadata.Extra), r.id)
		r.tally.announce(e.Envelope.CausationID, e.Envelope.ID, e.Payload.BLAKE3Hash, thisRun)
	}
	return nil
}

// wait returns once every request was announced, or none was for r.patience after the last one was published.
func (r *run) wait(ctx context.Context, published <-chan struct{}) error {
	tick := time.NewTicker(r.progress.every())
	defer tick.Stop()
	patience := time.NewTimer(r.patience)
	defer patience.Stop()
	for {
		requested, stamped, refused := r.tally.counts()
		if published == nil && stamped == requested {
			r.progress.draw(stamped, refused, time.Now())
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-published:
			published = nil
			patience.Reset(r.patience)
		case <-r.tally.moved:
			patience.Reset(r.patience)
		case now := <-tick.C:
			r.progress.draw(stamped, refused, now)
		case <-patience.C:
			if published == nil {
				return nil
			}
			patience.Reset(r.patience)
		}
	}
}
