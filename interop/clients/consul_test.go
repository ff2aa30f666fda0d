package clients

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/holdfast-go/holdfast/timeout"
)

// A blocking query: nothing is answered, no header either, until something changes.
func TestConsulBlockingQueries(t *testing.T) {
	asked := 0
	value := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.URL.Query().Get("index") != "" && !pause(r, 4*time.Minute) {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Consul-Index", fmt.Sprint(asked))
		_, _ = fmt.Fprintf(w, `[{"Key":"k","Value":"dg==","ModifyIndex":%d}]`, asked)
	})
	with(t, value, func(t *testing.T, through http.RoundTripper) {
		c, err := api.NewClient(&api.Config{Address: "consul.test", HttpClient: &http.Client{Transport: through}})
		if err != nil {
			t.Fatal(err)
		}
		ctx := timeout.WithLimit(t.Context(), 6*time.Minute) // a query may wait for 5 min, and a little longer
		began, index := time.Now(), uint64(0)
		for i := range 4 {
			pair, meta, err := c.KV().Get("k", (&api.QueryOptions{WaitIndex: index, WaitTime: 5 * time.Minute}).WithContext(ctx))
			if err != nil || string(pair.Value) != "v" {
				t.Fatalf("query %d: %v, %v", i, pair, err)
			}
			index = meta.LastIndex
		}
		if took := time.Since(began); took != 12*time.Minute || asked != 4 {
			t.Errorf("four queries took %v, and the server was asked %d times", took, asked)
		}
	})
}
