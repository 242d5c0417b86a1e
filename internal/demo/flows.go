// Package demo shows what the bus does, with toy services that are written on the public API only.
package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts/codegen"
	"github.com/omninode-ai/omnibus/contracts/intelligence"
	"github.com/omninode-ai/omnibus/contracts/search"
	"github.com/omninode-ai/omnibus/event"
)

// Open opens a bus in the name of a service, with these hooks.
type Open func(ctx context.Context, service string, hooks *bus.Trace) (*bus.Bus, error)

// Flows are the two that [Run] starts.
type Flows struct{ Good, Bad event.CorrelationID }

// Seen is a record of one of the flows, as it lies in the log.
type Seen struct {
	Flow    event.CorrelationID
	Record  bus.Record
	Type    event.Topic
	Service string          // that published it
	Dead    *bus.DeadLetter // nil: an event
}

// The toy services; each is a consumer group of its name too.
const (
	Asker     = "demo-asker"
	Validator = "demo-validator"
	Indexer   = "demo-indexer"
)

const flowPrefix = "demo-"

// errPoor is what the indexer says to what it does not take.
var errPoor = errors.New("too poor to be indexed")

// Run starts two services in this process and two flows through them, one that works and one that ends as a dead letter, and calls
// tell for every record that comes of them. It returns when all are there, or with an error when ctx ends before. Topics that are
// missing are created, and the groups stay. Events that are not of a demonstration are passed over.
func Run(ctx context.Context, open Open, tell func(Seen)) (flows Flows, err error) {
	flows = Flows{Good: newFlow(), Bad: newFlow()}
	asker, err := open(ctx, Asker, nil)
	if err != nil {
		return flows, err
	}
	defer func() { err = errors.Join(err, asker.Close()) }()
	_, err = asker.EnsureTopics(ctx, topicOf[codegen.ValidateRequest](), topicOf[codegen.ValidateResponse](),
		topicOf[intelligence.QualityAssessed](), topicOf[search.DocumentIndexed]())
	if err != nil {
		return flows, err
	}
	return flows, serve(ctx, open, []toy{{Validator, validator}, {Indexer, indexer}}, func(ctx context.Context) error {
		began := time.Now()
		request := codegen.ValidateRequest{CodeContent: "class ModelUser(BaseModel): pass", FilePath: "src/model_user.py"}
		if _, err := asker.Publish(ctx, request, bus.WithCorrelation(flows.Good)); err != nil {
			return err
		}
		poor := intelligence.QualityAssessed{EntityID: "src/tangle.py", QualityScore: 0.12}
		if _, err := asker.Publish(ctx, poor, bus.WithCorrelation(flows.Bad)); err != nil {
			return err
		}
		return watch(ctx, asker, began, flows, tell)
	})
}

// validator answers requests, and says how good the code is. It likes all of it.
func validator(b *bus.Bus) bus.Handler {
	return bus.Handle(func(ctx context.Context, e bus.Event[codegen.ValidateRequest]) error {
		answer := codegen.ValidateResponse{QualityScore: 0.92, ONEXCompliance: 0.88, Issues: []codegen.Issue{}}
		if _, err := b.Publish(ctx, answer); err != nil {
			return err
		}
		_, err := b.Publish(ctx, intelligence.QualityAssessed{EntityID: e.Payload.FilePath, QualityScore: answer.QualityScore})
		return err
	})
}

// indexer indexes what is good, and fails at what is not.
func indexer(b *bus.Bus) bus.Handler {
	return bus.Handle(func(ctx context.Context, e bus.Event[intelligence.QualityAssessed]) error {
		if e.Payload.QualityScore < 0.5 {
			return errPoor
		}
		_, err := b.Publish(ctx, search.DocumentIndexed{DocumentID: e.Payload.EntityID, Collection: "demo", VectorDims: 1536})
		return err
	}, bus.Retry(100*time.Millisecond, 200*time.Millisecond))
}

// toy is a service: its name, and what it handles.
type toy struct {
	name    string
	handler func(*bus.Bus) bus.Handler
}

// serve runs toys while fn does, which begins once all of them have their partitions. It returns when all have ended.
func serve(ctx context.Context, open Open, toys []toy, fn func(context.Context) error) (err error) {
	ctx, stop := context.WithCancelCause(ctx)
	ended := make(chan error, len(toys)) // one from each
	running := 0
	defer func() {
		stop(nil)
		for range running {
			if end := <-ended; err == nil {
				err = end
			}
		}
	}()
	for _, t := range toys {
		assigned := make(chan struct{}, 1)
		b, err := open(ctx, t.name, &bus.Trace{Assigned: func(string, bus.Coordinates) {
			select {
			case assigned <- struct{}{}:
			default: // said already
			}
		}})
		if err != nil {
			return err
		}
		running++
		go func() {
			err := b.Consume(ctx, bus.Consumer{Group: t.name, From: bus.Latest, Use: []bus.Middleware{onlyOurs}}, t.handler(b))
			err = errors.Join(err, b.Close())
			stop(err) // where it ends by itself, so does the rest
			ended <- err
		}()
		select {
		case <-assigned:
		case <-ctx.Done():
			return fmt.Errorf("start %s: %w", t.name, context.Cause(ctx))
		}
	}
	if err = fn(ctx); err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// onlyOurs passes over what is not of a demonstration: the topics are those of everybody.
func onlyOurs(next bus.HandlerFunc) bus.HandlerFunc {
	return func(ctx context.Context, d bus.Delivery) error {
		if !strings.HasPrefix(string(d.Envelope.CorrelationID), flowPrefix) {
			return bus.Skip("not of a demonstration")
		}
		return next(ctx, d)
	}
}

// watch reads what comes of the flows until it has come to its end.
func watch(ctx context.Context, b *bus.Bus, began time.Time, flows Flows, tell func(Seen)) error {
	assessed := topicOf[intelligence.QualityAssessed]()
	last := map[string]bool{ // what there has to be at the end
		string(flows.Good) + string(topicOf[codegen.ValidateResponse]()): true,
		string(flows.Good) + string(topicOf[search.DocumentIndexed]()):   true,
		string(flows.Bad) + string(assessed.DLQ()):                       true,
	}
	const skew = time.Minute // the broker's clock may be behind ours
	r := bus.Range{From: bus.AtTime(began.Add(-skew)), Follow: true, Topics: []event.Glob{
		event.Glob(topicOf[codegen.ValidateRequest]()), event.Glob(topicOf[codegen.ValidateResponse]()), event.Glob(assessed),
		event.Glob(assessed.DLQ()), event.Glob(topicOf[search.DocumentIndexed]()),
	}}
	for rec, err := range b.Scan(ctx, r) {
		if err != nil {
			return err
		}
		e, err := event.Decode(rec.Value)
		if err != nil || e.CorrelationID != flows.Good && e.CorrelationID != flows.Bad {
			continue
		}
		s := Seen{Flow: e.CorrelationID, Record: rec, Type: e.Type, Service: e.Source.Service}
		if rec.Topic.IsDLQ() {
			dead := bus.ParseDeadLetter(rec)
			s.Dead = &dead
		}
		tell(s)
		if delete(last, string(s.Flow)+string(rec.Topic)); len(last) == 0 {
			return nil
		}
	}
	return context.Cause(ctx)
}

func newFlow() event.CorrelationID {
	return event.CorrelationID(flowPrefix + event.NewID().String()[:8])
}

func topicOf[T event.Payload]() event.Topic {
	var p T
	return p.EventTopic()
}
