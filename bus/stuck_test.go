package bus

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPrintableKeys(t *testing.T) {
	for _, tc := range []struct{ name, key, want string }{
		{"text", "order-17", `"order-17"`},
		{"empty", "", `""`},
		{"not ASCII", "größe", `"größe"`},
		{"not text", "\x00\xff\x10", "0x00ff10"},
		{"a line break is not printed", "a\nb", "0x610a62"},
		{"long", strings.Repeat("x", 100), `"` + strings.Repeat("x", 63) + `…"`},
		{"long and cut in a letter", strings.Repeat("ö", 50), `"` + strings.Repeat("ö", 31) + `…"`},
		{"long and not text", strings.Repeat("\x01", 100), "0x" + strings.Repeat("01", 32) + "…"},
	} {
		if got := printable([]byte(tc.key)); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestReadStacks(t *testing.T) {
	const profile = `goroutine profile: total 4
1 @ 0x47 0x48
#	0x47	time.Sleep+0x101	/usr/lib/go/src/runtime/time.go:363

1 @ 0x51 0x52
# labels: {"omnibus_worker":"ABC-1"}
#	0x51	sync.(*Mutex).Lock+0x2d			/usr/lib/go/src/sync/mutex.go:46
#	0x52	example.com/shop/orders.(*Store).Save+0x1f	/home/a b/orders/store.go:12
#	0x53	github.com/omninode-ai/omnibus/bus.(*consumer).call+0x30	/x/bus/handle.go:40
#	0x54	github.com/omninode-ai/omnibus/bus.(*consumer).work+0x30	/x/bus/consume.go:40

1 @ 0x61
# labels: {"omnibus_worker":"ABC-1"}
#	0x61	example.com/shop/orders.helper+0x1f	/home/orders/store.go:99

2 @ 0x71
# labels: {"omnibus_worker":"ABC-12", "other":"x"}
#	0x71	example.com/shop/orders.other+0x1f	/home/orders/store.go:1
#	0x53	github.com/omninode-ai/omnibus/bus.(*consumer).call+0x30	/x/bus/handle.go:40
`
	got := readStacks(profile, []string{"ABC-1", "ABC-2"})
	want := map[string][]string{"ABC-1": {"sync.(*Mutex).Lock mutex.go:46", "example.com/shop/orders.(*Store).Save store.go:12"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stacks (-want +got):\n%s", diff)
	}
}
