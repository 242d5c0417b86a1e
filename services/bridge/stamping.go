package bridge

import (
	"cmp"
	"context"
	"encoding/base64"
	"maps"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	contract "github.com/omninode-ai/omnibus/contracts/bridge"
	"github.com/omninode-ai/omnibus/event"
)

// stamp answers a stamp request.
func (s service) stamp(ctx context.Context, e bus.Event[contract.StampRequest]) error {
	begin := time.Now()
	o, err := orderOf(e)
	if err != nil {
		return s.refuse(ctx, e.Delivery, err, e.Payload.Namespace, e.Payload.FilePath)
	}
	r, err := o.fill()
	if err != nil {
		return s.refuse(ctx, e.Delivery, err, e.Payload.Namespace, e.Payload.FilePath)
	}
	answer := r.response(o, time.Since(begin))
	answer.OpID = e.Payload.OpID
	results := s.publish(ctx, r.announcement(o), answer)
	if tooLarge(results[1]) {
		// The content goes back longer than it came, and so may not fit. The stamp alone does.
		answer.StampedContent, answer.StampedContentBase64 = "", ""
		results[1] = s.publish(ctx, answer)[0]
	}
	return verdict(results)
}

// orderOf is what a stamp request orders.
func orderOf(e bus.Event[contract.StampRequest]) (order, error) {
	req := e.Payload
	if major, _, _ := strings.Cut(req.ProtocolVersion, "."); major != "" && major != "1" {
		return order{}, &refusal{path: "/protocol_version", rule: "const", message: "protocol_version: the bridge speaks " + protocolVersion}
	}
	op := e.Envelope.ID
	if req.OpID != "" {
		var err error
		if op, err = event.ParseID(req.OpID); err != nil {
			return order{}, &refusal{path: "/op_id", rule: "format", message: "op_id: " + err.Error()}
		}
	}
	return order{
		text:   req.Content,
		base64: req.ContentBase64,
		kind:   Kind(req.StampType),
		file: File{
			Path: req.FilePath, ContentType: req.ContentType, Namespace: cmp.Or(req.Namespace, defaultNamespace),
			MetadataVersion: cmp.Or(req.MetadataVersion, metadataVersion),
		},
		metadata: recorded(req.Metadata, req.IntelligenceData),
		op:       op,
		at:       e.Envelope.Time,
	}, nil
}

// recorded is the metadata of a stamp: the requester's facts and, under a name of its own, what intelligence found.
func recorded(metadata, intelligence map[string]any) map[string]any {
	if len(intelligence) == 0 {
		return metadata
	}
	all := maps.Clone(metadata)
	if all == nil {
		all = make(map[string]any)
	}
	all["intelligence_data"] = intelligence
	return all
}

// response is the answer to a stamp request that was filled in the time took.
func (r receipt) response(o order, took time.Duration) contract.StampResponse {
	answer := contract.StampResponse{
		BLAKE3Hash:      r.Hash.String(),
		Metadata:        o.metadata,
		StampTime:       r.Time,
		StampID:         r.UID.String(),
		Stamp:           r.text,
		StampType:       contract.StampType(r.Kind),
		Namespace:       o.file.Namespace,
		MetadataVersion: o.file.MetadataVersion,
		PerformanceMetrics: &contract.StampResponsePerformanceMetrics{
			ExecutionTimeMS:  milliseconds(took),
			FileSizeBytes:    &r.size,
			PerformanceGrade: contract.PerformanceGrade(Grade(took)),
		},
	}
	if answer.Metadata == nil {
		answer.Metadata = map[string]any{}
	}
	if r.binary {
		answer.StampedContentBase64 = base64.StdEncoding.EncodeToString(r.content)
	} else {
		answer.StampedContent = string(r.content)
	}
	return answer
}
