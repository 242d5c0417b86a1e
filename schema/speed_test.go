package schema_test

import (
	"os"
	"testing"
	"time"

	"github.com/omninode-ai/omnibus/schema"
)

// speedEvents are an event of 492 bytes with nine members, four formats, a const, an enum and a pattern, and one of 4 KiB.
var speedEvents = []string{"event492", "event4096"}

func speed(t testing.TB, name string) (ours *schema.Schema, library func([]byte) bool, value []byte) {
	t.Helper()
	read := func(name string) []byte {
		b, err := os.ReadFile("testdata/speed/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	doc := read("schema")
	ours, err := schema.Parse(doc)
	if err != nil {
		t.Fatal(err)
	}
	return ours, reference(t, doc), read(name)
}

// TestScanAllocatesNothing also holds the ratio to the library, which reads the value into any and validates that: measured
// in turns, so that what else the machine does meets both.
func TestScanAllocatesNothing(t *testing.T) {
	for _, name := range speedEvents {
		ours, library, value := speed(t, name)
		scan := func() {
			if _, err := ours.Scan(value); err != nil {
				t.Fatal(err)
			}
		}
		if n := testing.AllocsPerRun(100, scan); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		fast, slow := time.Hour, time.Hour
		for range 40 {
			began := time.Now()
			for range 100 {
				scan()
			}
			fast = min(fast, time.Since(began)/100)
			began = time.Now()
			for range 10 {
				if !library(value) {
					t.Fatal("refused")
				}
			}
			slow = min(slow, time.Since(began)/10)
		}
		t.Logf("%s: %v, the library %v: %.1f times", name, fast, slow, float64(slow)/float64(fast))
		if !raced && slow.Seconds() < 10*fast.Seconds() {
			t.Errorf("%s: %v, the library %v: less than ten times as fast", name, fast, slow)
		}
	}
}

func BenchmarkScanOf(b *testing.B) {
	for _, name := range speedEvents {
		ours, _, value := speed(b, name)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(value)))
			for b.Loop() {
				if _, err := ours.Scan(value); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLibraryOf(b *testing.B) {
	for _, name := range speedEvents {
		_, library, value := speed(b, name)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(value)))
			for b.Loop() {
				if !library(value) {
					b.Fatal("refused")
				}
			}
		})
	}
}
