package bridge

import (
	"context"
	"errors"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	contract "github.com/omninode-ai/omnibus/contracts/bridge"
	"github.com/omninode-ai/omnibus/event"
)

// Config says how the bridge runs. The zero value is good.
type Config struct {
	MaxInFlight int // default 100: requests in work at once
}

// Run answers stamp, batch stamp and verify requests until ctx ends and what is in work has finished.
//
// A stamp is announced, one metadata_stamped per content, and the request answered on the response topic. What is announced
// depends on nothing but the request: its time is the request's, and its ids are derived, so that a request delivered twice
// announces the same events twice. Of the answers, only what was measured (durations, the time of a verification) may differ.
//
// A request that cannot be answered in the form of its response, such as a stamp request whose base64 is broken, is announced
// as validation_failed and becomes a dead letter of class "permanent". Bad items of a batch fail alone, in their results, and a
// bad verify request is answered as not valid, with the reason; a content that is not what was stamped is also announced as
// validation_failed. While events cannot be published, requests wait.
//
// The bridge keeps no record of the stamps that it made: a hash without content is answered as not valid, with that reason.
func Run(ctx context.Context, b *bus.Bus, cfg Config) error {
	s := service{b}
	return b.Consume(ctx, bus.Consumer{Group: "bridge", MaxInFlight: cfg.MaxInFlight},
		bus.Handle(s.stamp),
		bus.Handle(s.batchStamp),
		bus.Handle(s.verify),
	)
}

type service struct{ bus *bus.Bus }

// defaultNamespace is that of requests which name none; the catalogue has it as a default too.
const defaultNamespace = "omninode.services.metadata"

// publish publishes what follows from a request, all at once; results are in order.
func (s service) publish(ctx context.Context, payloads ...event.Payload) []bus.Result {
	out := make([]bus.Outgoing, len(payloads))
	for i, p := range payloads {
		out[i].Payload = p
	}
	results, _ := s.bus.PublishAll(ctx, out...) // the error joins those of the results
	return results
}

// verdict tells content from availability: what the bus refuses it will refuse again, while what the broker did not take
// waits for the broker. The latter goes first, as only then the request comes again.
func verdict(results []bus.Result) error {
	var refused error
	for _, r := range results {
		switch {
		case r.Err == nil:
		case errors.Is(r.Err, bus.ErrTooLarge), errors.Is(r.Err, bus.ErrInvalid):
			refused = r.Err
		default:
			return bus.Unavailable(r.Err)
		}
	}
	if refused != nil {
		return bus.Permanent(refused)
	}
	return nil
}

func tooLarge(r bus.Result) bool { return errors.Is(r.Err, bus.ErrTooLarge) }

// refuse announces why a request was refused, and makes it a dead letter.
func (s service) refuse(ctx context.Context, d bus.Delivery, why error, namespace, path string) error {
	failed := contract.ValidationFailed{
		ContentHash:      d.Envelope.ID.String(), // there may be no content to hash
		Reason:           why.Error(),
		ValidationErrors: []contract.ValidationError{validationError(why)},
		Namespace:        namespace,
		FilePath:         path,
	}
	if err := verdict(s.publish(ctx, failed)); err != nil {
		return err
	}
	return bus.Permanent(why)
}

func validationError(err error) contract.ValidationError {
	if r, ok := errors.AsType[*refusal](err); ok {
		return contract.ValidationError{Path: r.path, Rule: r.rule, Message: r.message}
	}
	return contract.ValidationError{Message: err.Error()}
}

// milliseconds is how long something took, as the events have it.
func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
