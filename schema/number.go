package schema

import (
	"math/big"
	"math/bits"
)

// decimal is (-1)^negative · digits · 10^exponent: what a JSON number says, exactly.
type decimal struct {
	negative bool
	digits   uint64
	exponent int
}

// tens are the powers of ten that 64 bits hold.
var tens = [...]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19}

// parseDecimal reads a number of the JSON grammar with at most 18 digits and an exponent of at most three.
func parseDecimal(v []byte) (d decimal, ok bool) {
	i := 0
	if v[0] == '-' {
		d.negative, i = true, 1
	}
	digits, fraction := 0, false
	for ; i < len(v); i++ {
		c := v[i]
		if c == '.' {
			fraction = true
			continue
		}
		if c-'0' > 9 {
			break
		}
		if d.digits != 0 || c != '0' {
			digits++
		}
		d.digits = d.digits*10 + uint64(c-'0')
		if fraction {
			d.exponent--
		}
		if digits > 18 {
			return decimal{}, false
		}
	}
	if i < len(v) {
		exponent, sign := 0, 1
		rest := v[i+1:]
		switch rest[0] {
		case '-':
			rest, sign = rest[1:], -1
		case '+':
			rest = rest[1:]
		}
		if len(rest) > 3 {
			return decimal{}, false
		}
		for _, c := range rest {
			exponent = exponent*10 + int(c-'0')
		}
		d.exponent += sign * exponent
	}
	if d.digits == 0 {
		d = decimal{}
	}
	return d, true
}

// whole reports whether d is an integer.
func (d decimal) whole() bool {
	if d.exponent >= 0 {
		return true
	}
	return -d.exponent < len(tens) && d.digits%tens[-d.exponent] == 0 || d.digits == 0
}

// compare orders d and o as -1, 0 or 1; ok is false where their exponents are too far apart to tell in 128 bits.
func (d decimal) compare(o decimal) (c int, ok bool) {
	switch {
	case d.digits == 0 && o.digits == 0:
		return 0, true
	case d.digits == 0:
		return sign(!o.negative), true
	case o.digits == 0 || d.negative != o.negative:
		return sign(d.negative), true
	}
	shift := d.exponent - o.exponent
	if shift >= len(tens) || -shift >= len(tens) {
		return 0, false
	}
	var dHigh, oHigh uint64
	dLow, oLow := d.digits, o.digits
	if shift > 0 {
		dHigh, dLow = bits.Mul64(dLow, tens[shift])
	} else {
		oHigh, oLow = bits.Mul64(oLow, tens[-shift])
	}
	switch {
	case dHigh == oHigh && dLow == oLow:
		return 0, true
	case dHigh < oHigh || dHigh == oHigh && dLow < oLow:
		return sign(!d.negative), true
	}
	return sign(d.negative), true
}

func sign(negative bool) int {
	if negative {
		return -1
	}
	return 1
}

// multipleOf reports whether d is a whole multiple of o, which is more than zero.
func (d decimal) multipleOf(o decimal) (is, ok bool) {
	if d.digits == 0 {
		return true, true
	}
	shift := d.exponent - o.exponent
	switch {
	case shift >= len(tens) || -shift >= len(tens):
		return false, false
	case shift >= 0:
		high, low := bits.Mul64(d.digits, tens[shift])
		return bits.Rem64(high, low, o.digits) == 0, true
	}
	high, low := bits.Mul64(o.digits, tens[-shift])
	return high == 0 && d.digits%low == 0, true // a divisor beyond 64 bits is more than d
}

// decimalOf is r as a decimal, where it is short enough.
func decimalOf(r *big.Rat) (decimal, bool) {
	denominator := new(big.Int).Set(r.Denom())
	places := 0
	for ten, rest := big.NewInt(10), new(big.Int); ; places++ {
		// The denominator of a decimal divides a power of ten.
		power := new(big.Int).Exp(ten, big.NewInt(int64(places)), nil)
		if rest.Mod(power, denominator).Sign() == 0 {
			break
		}
		if places == 30 {
			return decimal{}, false
		}
	}
	return parseDecimalText(r.FloatString(places))
}

func parseDecimalText(s string) (decimal, bool) {
	// Zeros at the end of a whole number are the exponent's.
	trimmed := s
	if places := trailingZeros(s); places > 0 {
		trimmed = s[:len(s)-places]
		d, ok := parseDecimal([]byte(trimmed))
		d.exponent += places
		return d, ok
	}
	return parseDecimal([]byte(trimmed))
}

// trailingZeros counts the zeros that a whole number ends with, the first digit apart.
func trailingZeros(s string) int {
	n := 0
	for i := len(s) - 1; i > 0 && s[i] == '0' && s[i-1] != '-'; i-- {
		n++
	}
	for i := range s {
		if s[i] == '.' {
			return 0
		}
	}
	return n
}
