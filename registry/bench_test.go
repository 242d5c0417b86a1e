package registry_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"
)

// BenchmarkGetByID asks for a schema over the loopback, one request at a time.
func BenchmarkGetByID(b *testing.B) {
	c := start(b)
	c.do("POST", "/subjects/a/versions", jsonSchema(b, named))
	for b.Loop() {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, c.url+"/schemas/ids/1", http.NoBody)
		if err != nil {
			b.Fatal(err)
		}
		res, err := c.http.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body) // its status tells
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			b.Fatal(res.Status)
		}
	}
}

// BenchmarkRegister registers schemas that are new, each under a subject of its own, one at a time, with a broker in memory.
func BenchmarkRegister(b *testing.B) {
	c := start(b)
	for i := 0; b.Loop(); i++ {
		body := jsonSchema(b, fmt.Sprintf(`{"type":"object","title":"%d","properties":{"name":{"type":"string"}}}`, i))
		if status, got := c.do(http.MethodPost, fmt.Sprintf("/subjects/s%d/versions", i), body); status != http.StatusOK {
			b.Fatal(status, got)
		}
	}
}
