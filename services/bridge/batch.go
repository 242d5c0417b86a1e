package bridge

import (
	"cmp"
	"context"
	"strconv"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	contract "github.com/omninode-ai/omnibus/contracts/bridge"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// batchStamp answers a batch stamp request: one result per item, in order, and one announcement per stamp. The results hold
// the stamps and not the contents, which together would not fit.
func (s service) batchStamp(ctx context.Context, e bus.Event[contract.BatchStampRequest]) error {
	begin := time.Now()
	answer := contract.BatchStampResponse{Results: make([]contract.Result, len(e.Payload.Contents))}
	var payloads []event.Payload
	for i, raw := range e.Payload.Contents {
		o, id, err := itemOrder(e, i, jsonx.Value(raw))
		var r receipt
		if err == nil {
			r, err = o.fill()
		}
		if err != nil {
			answer.FailedCount++
			answer.Results[i] = contract.Result{ID: id, Error: err.Error()}
			continue
		}
		answer.SuccessCount++
		answer.Results[i] = contract.Result{ID: id, Success: true, StampID: r.UID.String(), BLAKE3Hash: r.Hash.String(), Stamp: r.text}
		payloads = append(payloads, r.announcement(o))
	}
	took := milliseconds(time.Since(begin))
	answer.ProcessingTimeMS = &took
	results := s.publish(ctx, append(payloads, answer)...)
	if last := len(results) - 1; tooLarge(results[last]) {
		// Rich stamps repeat metadata and paths, and escaped. Hashes and ids alone fit wherever the request did.
		for i := range answer.Results {
			answer.Results[i].Stamp = ""
		}
		results[last] = s.publish(ctx, answer)[0]
	}
	return verdict(results)
}

// item is an item of a batch that tells a content that is empty from one that is missing.
type item struct {
	contract.Content

	Text   *string `json:"content"`
	Base64 *string `json:"content_base64"`
}

// itemOrder is what the item at place i orders, and the name of the item, which is known even where there is an error.
func itemOrder(e bus.Event[contract.BatchStampRequest], i int, raw jsonx.Value) (order, string, error) {
	place := strconv.Itoa(i)
	var it item
	if raw.Kind() == '"' {
		it.Text = new(string)
		if err := jsonx.Unmarshal(raw, it.Text); err != nil {
			return order{}, place, &refusal{message: err.Error()}
		}
	} else if err := jsonx.Unmarshal(raw, &it); err != nil {
		return order{}, place, &refusal{message: err.Error()}
	}
	name := cmp.Or(it.ID, place)
	if it.Text == nil && it.Base64 == nil {
		return order{}, name, &refusal{rule: "anyOf", message: "content and content_base64 are both missing"}
	}
	return order{
		text:   deref(it.Text),
		base64: deref(it.Base64),
		kind:   Kind(e.Payload.StampType),
		file: File{
			Path: it.FilePath, Namespace: cmp.Or(it.Namespace, e.Payload.Namespace, defaultNamespace), MetadataVersion: metadataVersion,
		},
		metadata: it.Metadata,
		op:       event.DeriveID(e.Envelope.ID, place), // two items of the same content are two stamps
		at:       e.Envelope.Time,
	}, name, nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
