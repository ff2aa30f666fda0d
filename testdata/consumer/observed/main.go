// A program of a user who has an HTTP client counted by Prometheus. The check builds it
// outside this module, as go get would, and looks at what it links.
package main

import (
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	holdprom "github.com/holdfast-go/holdfast/observe/prometheus"
	"github.com/holdfast-go/holdfast/preset"
)

func newClient(r prometheus.Registerer) (*http.Client, error) {
	metrics, err := holdprom.Register(r, holdprom.Options{})
	if err != nil {
		return nil, err
	}
	policies := metrics.Watch("users", preset.Standard().Policies()...)
	return &http.Client{Transport: httpclient.Wrap(nil, policies...)}, nil
}

func main() {
	_, err := newClient(prometheus.DefaultRegisterer)
	fmt.Println(err)
}
