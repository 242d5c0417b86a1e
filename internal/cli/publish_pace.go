package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// pace spreads events over time: at most so many a second. What a slow broker missed is not caught up on, but for a moment.
type pace struct {
	perSecond float64 // 0 or less: as fast as it goes
	next      time.Time
}

// wait is how long to wait before the next n.
func (p *pace) wait(now time.Time, n int) time.Duration {
	const slack = 100 * time.Millisecond
	if p.perSecond <= 0 {
		return 0
	}
	if p.next.IsZero() {
		p.next = now
	} else if earliest := now.Add(-slack); p.next.Before(earliest) {
		p.next = earliest
	}
	d := p.next.Sub(now)
	p.next = p.next.Add(time.Duration(float64(n) / p.perSecond * float64(time.Second)))
	return d
}

// stride is how many are sent at once.
type stride struct{ size int }

// took learns from how long so many took.
func (s *stride) took(n int, d time.Duration) {
	switch {
	case d > strideLong:
		s.size = max(s.size/2, 1)
	case n == s.size && d < strideShort:
		s.size = min(s.size*2, strideMost)
	}
}

// spans are numbers in rising order, as [first, last] each.
type spans [][2]int

func (s *spans) add(n int) {
	if last := len(*s) - 1; last >= 0 && (*s)[last][1] == n-1 {
		(*s)[last][1] = n
		return
	}
	*s = append(*s, [2]int{n, n})
}

// text is "lines 1-20, 22, 30-31"; of many spans, the first and how many more.
func (s spans) text(unit string) string {
	const most = 8
	if len(s) == 0 {
		return "none"
	}
	if len(s) == 1 && s[0][0] == s[0][1] {
		return fmt.Sprintf("%s %d", unit, s[0][0])
	}
	var parts []string
	for i, span := range s {
		switch {
		case i == most:
			return fmt.Sprintf("%ss %s and %d more ranges", unit, strings.Join(parts, ", "), len(s)-i)
		case span[0] == span[1]:
			parts = append(parts, strconv.Itoa(span[0]))
		default:
			parts = append(parts, fmt.Sprintf("%d-%d", span[0], span[1]))
		}
	}
	return fmt.Sprintf("%ss %s", unit, strings.Join(parts, ", "))
}
