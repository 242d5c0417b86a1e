package schema

import "regexp/syntax"

// pattern is a regular expression that is a row of character classes, each repeated: enough for hashes, versions and names.
// It is matched greedily over bytes, so a match is a match, and no match may still be one.
type pattern struct {
	anchored, toEnd bool
	steps           []step
}

type step struct {
	class       [256]bool // ASCII only
	least, most int       // most -1: any number
}

// compilePattern returns nil for expressions of other forms.
func compilePattern(expr string) *pattern {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	parts := []*syntax.Regexp{re}
	if re.Op == syntax.OpConcat {
		parts = re.Sub
	}
	p := new(pattern)
	for i, part := range parts {
		switch {
		case part.Op == syntax.OpBeginText && i == 0:
			p.anchored = true
		case part.Op == syntax.OpEndText && i == len(parts)-1:
			p.toEnd = true
		case part.Op == syntax.OpLiteral && part.Flags&syntax.FoldCase == 0:
			for _, r := range part.Rune {
				p.add([]rune{r, r}, 1, 1)
			}
		case part.Op == syntax.OpCharClass:
			p.add(part.Rune, 1, 1)
		case (part.Op == syntax.OpStar || part.Op == syntax.OpPlus || part.Op == syntax.OpQuest || part.Op == syntax.OpRepeat) && part.Flags&syntax.NonGreedy == 0:
			if !p.addRepeated(part) {
				return nil
			}
		default:
			return nil
		}
	}
	if !p.anchored && (len(p.steps) != 1 || p.toEnd) {
		return nil
	}
	return p
}

var repeats = map[syntax.Op][2]int{syntax.OpStar: {0, -1}, syntax.OpPlus: {1, -1}, syntax.OpQuest: {0, 1}}

func (p *pattern) addRepeated(re *syntax.Regexp) bool {
	least, most := re.Min, re.Max
	if bounds, ok := repeats[re.Op]; ok {
		least, most = bounds[0], bounds[1]
	}
	switch one := re.Sub[0]; {
	case one.Op == syntax.OpCharClass:
		p.add(one.Rune, least, most)
	case one.Op == syntax.OpLiteral && len(one.Rune) == 1 && one.Flags&syntax.FoldCase == 0:
		p.add([]rune{one.Rune[0], one.Rune[0]}, least, most)
	default:
		return false
	}
	return true
}

// add appends a step for the ranges; what they hold beyond ASCII is left out.
func (p *pattern) add(ranges []rune, least, most int) {
	s := step{least: least, most: most}
	for i := 0; i < len(ranges); i += 2 {
		for r := ranges[i]; r <= ranges[i+1] && r < 128; r++ {
			s.class[r] = true
		}
	}
	p.steps = append(p.steps, s)
}

func (p *pattern) match(s []byte) bool {
	if !p.anchored {
		step := &p.steps[0]
		if step.least == 0 {
			return true
		}
		run := 0
		for _, c := range s {
			if !step.class[c] {
				run = 0
			} else if run++; run >= step.least {
				return true
			}
		}
		return false
	}
	for i := range p.steps {
		step := &p.steps[i]
		n := 0
		for n < len(s) && n != step.most && step.class[s[n]] {
			n++
		}
		if n < step.least {
			return false
		}
		s = s[n:]
	}
	return !p.toEnd || len(s) == 0
}

// quickFormats know the usual spellings of the usual formats; the library is asked about the rest.
var quickFormats = map[string]func([]byte) bool{"uuid": isUUID, "date-time": isTime, "date": isDate}

// hexadecimal are the digits; the value is 1.
var hexadecimal = func() (t [256]uint8) {
	for _, c := range "0123456789abcdefABCDEF" {
		t[c] = 1
	}
	return t
}()

func isUUID(s []byte) bool {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return false
	}
	all := uint8(1)
	for _, c := range s[:8] {
		all &= hexadecimal[c]
	}
	for i := 9; i < 24; i += 5 {
		all &= hexadecimal[s[i]] & hexadecimal[s[i+1]] & hexadecimal[s[i+2]] & hexadecimal[s[i+3]]
	}
	for _, c := range s[24:36] {
		all &= hexadecimal[c]
	}
	return all == 1
}

var days = [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// isDate knows yyyy-mm-dd, leap days apart.
func isDate(s []byte) bool {
	const form = "0000-00-00"
	if len(s) != len(form) || !looksLike(s, form) {
		return false
	}
	m, d := two(s, 5), two(s, 8)
	return m >= 1 && m <= 12 && d >= 1 && d <= days[m-1]
}

// isTime knows yyyy-mm-ddThh:mm:ss[.fff] with Z or an offset, leap days and seconds apart.
func isTime(s []byte) bool {
	const form = "0000-00-00T00:00:00"
	if len(s) <= len(form) || !isDate(s[:10]) || !looksLike(s[10:], form[10:]) || two(s, 11) > 23 || two(s, 14) > 59 || two(s, 17) > 59 {
		return false
	}
	s = s[len(form):]
	if s[0] == '.' {
		n := 1
		for n < len(s) && s[n]-'0' <= 9 {
			n++
		}
		if n == 1 {
			return false
		}
		s = s[n:]
	}
	switch {
	case len(s) == 1:
		return s[0] == 'Z'
	case len(s) == 6 && (s[0] == '+' || s[0] == '-'):
		return looksLike(s[1:], "00:00") && two(s, 1) < 24 && two(s, 4) < 60
	}
	return false
}

// looksLike reports whether s begins with digits where form has 0, and with form's characters elsewhere.
func looksLike(s []byte, form string) bool {
	for i := range form {
		if digit := s[i]-'0' <= 9; digit != (form[i] == '0') || !digit && s[i] != form[i] {
			return false
		}
	}
	return true
}

func two(s []byte, i int) int { return int(s[i]-'0')*10 + int(s[i+1]-'0') }
