package registry

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"
)

// Writable returns once this registry is the one that writes. It fails where that is not so within the given time.
func (s *Server) Writable(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	select {
	case <-s.log.reigns:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("registry: not the writer: %w", s.log.readOnly(context.WithoutCancel(ctx)))
	}
}

// RegisterAll registers JSON Schemas by their subjects from within this process, those that are not there yet, in one step. Refused
// says which it did not take, and why; the others are registered unless err says otherwise.
func (s *Server) RegisterAll(ctx context.Context, schemas map[string][]byte) (refused map[string]error, err error) {
	refused = map[string]error{}
	added := map[string]int{}
	err = s.log.do(ctx, func(st *state) (all change, err error) {
		if st, err = st.copy(); err != nil {
			return all, err
		}
		for _, subject := range slices.Sorted(maps.Keys(schemas)) {
			ch, v, err := change{}, (*version)(nil), validSubject(subject)
			if err == nil {
				ch, v, err = st.register(subject, registration{Schema: string(schemas[subject]), Type: typeJSON}, true)
			}
			if err != nil {
				refused[subject] = err
				continue
			}
			for _, r := range ch.records { // the next one counts on from it
				st.apply(0, 0, r)
				added[subject] = v.number
			}
			all.records = append(all.records, ch.records...)
		}
		return all, nil
	})
	if err != nil {
		return refused, err
	}
	for _, subject := range slices.Sorted(maps.Keys(added)) {
		s.opts.Logger.InfoContext(ctx, "registry change",
			slog.String("what", "register"), slog.String("subject", subject), slog.Int("version", added[subject]), slog.String("from", "this process"))
	}
	return refused, nil
}
