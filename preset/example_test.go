package preset_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/preset"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

func ExampleStandard() {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	client := &http.Client{Transport: httpclient.Wrap(nil, preset.Standard().Policies()...)}
	resp, err := client.Get(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	// Output: 404 Not Found
}

func ExampleConservative() {
	fmt.Println(preset.Conservative().Retry.MaxAttempts)
	// Output: 2
}

func ExampleBackground() {
	fmt.Println(preset.Background().Retry.MaxAttempts)
	// Output: 5
}

func ExampleParse() {
	c, err := preset.Parse([]byte(`{"preset": "standard", "timeout": {"limit": "2s"}, "attempt": {"limit": "500ms"}, "hedge": {"maxHedges": 1}}`))
	fmt.Println(c.Timeout.Limit, c.Attempt.Limit, err)
	_, err = preset.Parse([]byte(`{"attempt": {"limit": 500}}`))
	fmt.Println(err)
	// Output:
	// 2s 500ms <nil>
	// preset: attempt.limit: 500 is no duration: write "250ms", "10s" or "off"
}

func ExampleNewStack() {
	stack, err := preset.NewStack(preset.Standard())
	if err != nil {
		fmt.Println(err)
		return
	}
	c := stack.Config()
	c.Retry.MaxAttempts = 2
	changes, err := stack.Update(c) // calls that begin now have two attempts
	fmt.Println(changes, err)
	// Output: [retry.maxAttempts: 3 -> 2] <nil>
}

func ExampleFile() {
	folder, err := os.MkdirTemp("", "policies")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(folder) }()
	path := filepath.Join(folder, "calls.json")
	if err := os.WriteFile(path, []byte(`{"retry": {"maxAttempts": 2}}`), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	stack, err := preset.NewStack(preset.Standard())
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	stack.Follow(ctx, preset.File(ctx, path, time.Second), func(changes []string, err error) {
		fmt.Println(changes, err)
		stop() // a program goes on: go stack.Follow(…)
	})
	// Output: [retry.maxAttempts: 3 -> 2] <nil>
}

func ExampleMisplaced() {
	policies := []holdfast.Policy{timeout.New(timeout.Options{Limit: 10 * time.Second}), retry.New(retry.Options{})}
	fmt.Println(preset.Misplaced(policies...))
	// Output: preset: retry without a timeout further in: an attempt that hangs takes the time of all; add timeout.New for each attempt as the innermost policy
}

func ExampleRoute() {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select { // it takes its time, whatever it is asked
		case <-time.After(300 * time.Millisecond):
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	c := preset.Standard()
	c.Retry.MaxAttempts, c.Attempt.Limit = 1, 100*time.Millisecond
	c.Routes = []preset.Route{{
		Match:  []string{"GET /export/{id}", "/reports.v1.Reports/Make"}, // of HTTP, and of gRPC
		Config: preset.Config{Timeout: timeout.Options{Limit: time.Hour}, Attempt: timeout.Options{Limit: 10 * time.Minute}},
	}}
	client := &http.Client{Transport: httpclient.Wrap(nil, c.Policies()...)}
	for _, path := range []string{"/export/7", "/users/7"} {
		resp, err := client.Get(server.URL + path)
		fmt.Println(path, err == nil)
		if err == nil {
			_ = resp.Body.Close()
		}
	}
	// Output:
	// /export/7 true
	// /users/7 false
}

func ExampleParse_routes() {
	c, err := preset.Parse([]byte(`{"attempt": {"limit": "2s"}, "routes": [{"match": "GET /export/{id}", "timeout": {"limit": "1h"}, "attempt": {"limit": "10m"}}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for line := range strings.Lines(c.Describe()) {
		if strings.HasPrefix(line, "routes") {
			fmt.Println(strings.Join(strings.Fields(line), " "))
		}
	}
	_, err = preset.Parse([]byte(`{"routes": [{"match": "/a/{id}"}, {"match": "/{kind}/b"}]}`))
	fmt.Println(err)
	// Output:
	// routes[0].match "GET /export/{id}" set
	// routes[0].timeout.limit 1h0m0s json
	// routes[0].breaker.probeTimeout 10m0s default
	// routes[0].attempt.limit 10m0s json
	// routes[0].attempt.idle 10m0s default
	// preset: routes[1].match[0]: "/{kind}/b" and "/a/{id}" of routes[0].match[0] match some calls both, and neither is more specific: change one
}

func ExampleServiceConfig_Over() {
	s, err := preset.ParseServiceConfig([]byte(`{"methodConfig": [{"name": [{"service": "users.v1.Users"}], "timeout": "2s"}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	stack, err := preset.NewStack(s.Over(preset.Standard()))
	if err != nil {
		fmt.Println(err)
		return
	}
	changes, err := stack.Update(preset.Standard()) // without it
	fmt.Println(strings.Join(changes, "\n"), err)
	// Output:
	// routes["/users.v1.Users/, users.v1.Users/"]: set -> none
	// routes["/users.v1.Users/, users.v1.Users/"].timeout.limit: 2s -> 30s
	// routes["/users.v1.Users/, users.v1.Users/"].breaker.probeTimeout: 2s -> 10s
	// routes["/users.v1.Users/, users.v1.Users/"].attempt.limit: 2s -> 10s
	// routes["/users.v1.Users/, users.v1.Users/"].attempt.idle: 2s -> 10s <nil>
}

func ExampleParseServiceConfig() {
	s, err := preset.ParseServiceConfig([]byte(`{"methodConfig": [{"name": [{"service": "users.v1.Users"}], "timeout": "2s",
		"retryPolicy": {"maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	policy, err := s.Policy(preset.Standard()) // for grpcclient.DialOptions, httpclient.Wrap, holdfast.Chain
	fmt.Println(policy != nil, err, s.Config(preset.Standard(), "users.v1.Users", "Get").Retry.MaxAttempts)

	_, err = preset.ParseServiceConfig([]byte(`{"methodConfig": [{"name": [{}], "retryPolicie": {}}]}`))
	fmt.Println(err)
	// Output:
	// true <nil> 4
	// service config: methodConfig[0].retryPolicie: there is no such field: did you mean retryPolicy?
}
