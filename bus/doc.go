// Package bus publishes and consumes events over Kafka: Redpanda, Apache Kafka, or the embedded broker. There is no other
// transport and no fallback: a broker that is away is an error or a wait, never a silent drop.
//
//	b, err := bus.Open(ctx, cfg)
//	b.Publish(ctx, intelligence.QualityAssessed{EntityID: "doc-123", QualityScore: 0.92})
//	b.Consume(ctx, bus.Consumer{Group: "mine"}, bus.Handle(func(ctx context.Context, e bus.Event[intelligence.QualityAssessed]) error {
//		return nil // done
//	}))
//
// # Publishing
//
//  1. nil means acknowledged with acks=all.
//  2. [ErrNotSent] means certainly not in the log: refused before it was sent, too large, invalid, or failed without a produce
//     request having been begun since.
//  3. [ErrUnknown] means anything else: it may be in the log and may still arrive. The event's id was made before the first
//     attempt, so publishing again under it ([WithID]) is safe for readers that look at ids.
//  4. A caller's context bounds that caller's wait and nothing else.
//
// # Order
//
//  1. Events of one key are handled one at a time, in the order of the log, through retries and parking.
//  2. Different keys are handled at once, up to MaxInFlight. Events without a key have one lane per partition.
//  3. Order ends where an event becomes a dead letter: later events of its key go on.
//
// # Delivery
//
//  1. At least once. A committed offset o means that every event below o is settled: its handler is through, or its dead
//     letter is acknowledged, or it was skipped by a stated rule.
//  2. After a clean stop, or partitions taken away in time, nothing that was settled comes again. After a kill: only events
//     that were unfinished, or finished since the last commit, at most half a second ago.
//  3. What is settled beyond the committed offset travels in the commit's metadata (docs/formats).
//
// # Failure
//
//  1. A handler's answer decides: nil, [Permanent], [Unavailable], [RetryAfter], [Skip]; anything else is tried again after
//     1, 2 and 4 seconds, and then becomes a dead letter. A failing event parks its own key; the others go on.
//  2. An outage is not poison: [Unavailable], or one error on five keys within five seconds with no success between, pauses
//     the partition and probes with one event at a time. It never makes a dead letter.
//  3. A dead letter holds the original key, value and headers, byte for byte, and is acknowledged before the offset moves. While it
//     cannot be written the consumer keeps trying and [Bus.Faults] says so.
//  4. What works and not fully (an outage, a handler that is stuck, commits that fail, a topic that is gone) is in [Bus.Degraded];
//     [Bus.Consumers] has the facts.
//  5. Consume ends with an error where going on would pass over events: a log that was cut before it was read, a topic that was
//     deleted, or deleted and made anew. What is in hand of an old topic is never settled against its new self.
//  6. An event that was sent again for one group is settled by all others without being handled. Where it fails again, it is the
//     same dead letter: where it first came from is written once.
//
// # Versions
//
//  1. With an [Upcast] in [Config], a handler of a later version of an event type takes the older ones too. The record keeps its
//     bytes, and so does its dead letter; sent again, it is upcast again.
//  2. With a [DualPublish] an event is published as an older version too, in that one's topic: first the event, and once it is
//     acknowledged its dual. A nil error means both. Where the dual is not known to be on record, the event is, and the error is an
//     [ErrUnknown] that says so, a [DualError]; publishing again under the event's id repeats the dual's.
//  3. A handler that takes both versions, by an upcaster, passes over the duals of events that it reads itself.
//  4. Two versions are two topics: order per key holds in each, not across them.
//
// # Shutdown
//
// Consume ends when its context does: it stops taking, gives running handlers DrainWithin, commits, and leaves the group. What
// did not finish in that time is named in an [AbandonedError] and comes again.
//
// # Testing
//
// Package bustest delivers single events to a handler, or gives a test its own broker; in a testing/synctest bubble hours of
// retries pass in milliseconds.
package bus
