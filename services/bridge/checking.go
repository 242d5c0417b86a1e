package bridge

import (
	"context"
	"fmt"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	contract "github.com/omninode-ai/omnibus/contracts/bridge"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// verify answers a verify request. A content that is not what was stamped is announced as well.
func (s service) verify(ctx context.Context, e bus.Event[contract.VerifyRequest]) error {
	req := e.Payload
	answer := contract.VerifyResponse{VerifiedAt: time.Now().UTC()}
	if req.Content == "" && req.ContentBase64 == "" && req.BLAKE3Hash != "" {
		answer.Reason = "the bridge keeps no record of its stamps, so a hash alone cannot be verified: send the stamped content"
		return verdict(s.publish(ctx, answer))
	}
	v, err := check(req)
	if err != nil {
		answer.Reason = err.Error()
		return verdict(s.publish(ctx, answer))
	}
	if err := v.describe(&answer); err != nil {
		return bus.Permanent(err)
	}
	payloads := []event.Payload{answer}
	if !v.Valid {
		payloads = append(payloads, v.announcement(req))
	}
	return verdict(s.publish(ctx, payloads...))
}

// check verifies the content of a request. Its errors are the requester's. Where a request has a content, the hash that it
// gives beside it is one that the content must have.
func check(req contract.VerifyRequest) (Verification, error) {
	content, err := decodeContent(req.Content, req.ContentBase64)
	if err != nil {
		return Verification{}, err
	}
	var expected *Hash
	for _, s := range []string{req.ExpectedHash, req.BLAKE3Hash} {
		if s == "" {
			continue
		}
		h, err := ParseHash(s)
		if err != nil {
			return Verification{}, err
		}
		if expected != nil && *expected != h {
			return Verification{}, &refusal{path: "/expected_hash", message: "expected_hash and blake3_hash differ: no content has both"}
		}
		expected = &h
	}
	return Verify(content, expected), nil
}

// detailsMax is how many stamps an answer lists.
const detailsMax = 100

// describe writes what was found into the answer.
func (v Verification) describe(answer *contract.VerifyResponse) error {
	found := int64(len(v.Stamps))
	answer.Valid, answer.Reason = v.Valid, v.Reason
	answer.CurrentHash, answer.StampsFound = v.Hash.String(), &found
	for _, s := range v.Stamps[:min(len(v.Stamps), detailsMax)] {
		answer.ValidationDetails = append(answer.ValidationDetails, contract.ValidationDetail{
			StampType:   contract.StampType(s.Kind),
			StampHash:   s.Hash.String(),
			IsValid:     s.Hash == v.Hash,
			CurrentHash: v.Hash.String(),
		})
	}
	if len(v.Stamps) == 0 {
		return nil
	}
	metadata, err := jsonx.Marshal(factsOf(v.Stamps[0]))
	if err != nil {
		return fmt.Errorf("describe stamp: %w", err)
	}
	answer.Metadata = metadata
	return nil
}

// facts is what a stamp says, beside its hash.
type facts struct {
	StampID     event.ID    `json:"stamp_id"`
	Timestamp   time.Time   `json:"timestamp"`
	Namespace   string      `json:"namespace,omitzero"`
	FilePath    string      `json:"file_path,omitzero"`
	ContentType string      `json:"content_type,omitzero"`
	Metadata    jsonx.Value `json:"metadata,omitzero"`
}

func factsOf(s Stamp) facts {
	return facts{
		StampID: s.UID, Timestamp: s.Time, Namespace: s.File.Namespace, FilePath: s.File.Path, ContentType: s.File.ContentType,
		Metadata: s.File.Metadata,
	}
}

// announcement tells everyone that a content is not what was stamped.
func (v Verification) announcement(req contract.VerifyRequest) contract.ValidationFailed {
	failed := contract.ValidationFailed{
		ContentHash: v.Hash.String(), Reason: v.Reason, ValidationErrors: []contract.ValidationError{}, Namespace: req.Namespace,
	}
	for _, s := range v.Stamps[:min(len(v.Stamps), detailsMax)] {
		if s.Hash != v.Hash {
			failed.ValidationErrors = append(failed.ValidationErrors, contract.ValidationError{
				Rule: "stamp_mismatch", Message: fmt.Sprintf("the %s stamp states %s, the content is %s", s.Kind, s.Hash, v.Hash),
			})
		}
	}
	return failed
}
