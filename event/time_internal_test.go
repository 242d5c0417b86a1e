package event

import (
	"testing"
	"time"
)

func FuzzAppendTime(f *testing.F) {
	for _, sec := range []int64{0, 1, -1, 1 << 40, -62135596800, -62167219201, 253402300799, 253402300800} {
		f.Add(sec, int64(999_999_999))
		f.Add(sec, int64(1_000_000))
	}
	f.Fuzz(func(t *testing.T, sec, nsec int64) {
		at := time.Unix(sec, nsec)
		if got, want := string(appendTime(nil, at)), at.UTC().Format(timeLayout); got != want {
			t.Errorf("%v: %s, want %s", at, got, want)
		}
	})
}
