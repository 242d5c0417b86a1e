package histcheck

import "errors"

const longHistory = 60 // lines

// tellHistories reads the ledgers again and gives each finding the lines that are about its event and its place.
func (c *checker) tellHistories() error {
	if len(c.rep.Findings) == 0 {
		return nil
	}
	passed := map[int]map[string]bool{} // finding → processes whose commit passed its place
	for s, err := range merge(c.in.Ledgers, func(string) {}) {
		if err != nil && !errors.Is(err, ErrTorn) {
			return err
		}
		for i := range c.rep.Findings {
			f := &c.rep.Findings[i]
			if len(f.History) >= longHistory || !f.about.in(s.line) {
				continue
			}
			if s.line.Kind == Commit && f.about.offset >= 0 {
				if s.line.Offset <= f.about.offset || passed[i][s.line.Process] {
					continue // only the first that passes it tells something
				}
				if passed[i] == nil {
					passed[i] = map[string]bool{}
				}
				passed[i][s.line.Process] = true
			}
			f.History = append(f.History, s.line.String())
		}
	}
	return nil
}

// in reports whether a line is about the subject.
func (s subject) in(l Line) bool {
	switch l.Kind {
	case FaultOn, FaultOff:
		return true
	case Reach, Exit:
		return false
	case Assign, Revoke, Lost, Commit:
		return s.topic != "" && l.Topic == s.topic && l.Partition == s.partition
	case Invoke, OK, Fail, Unknown:
		return l.Event.Producer == s.producer && l.Event.Seq == s.seq
	case Start, Done, Retry, Skip, DeadAck:
	}
	if l.Event != nil && l.Event.Producer == s.producer && l.Event.Seq == s.seq {
		return true
	}
	return s.offset >= 0 && l.Topic == s.topic && l.Partition == s.partition && l.Offset == s.offset
}
