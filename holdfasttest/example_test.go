package holdfasttest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// Faults stand innermost, where the network would be.
func ExampleNewFaults() {
	faults := holdfasttest.NewFaults(holdfasttest.FaultOptions{
		Script: []holdfasttest.Step{
			{Class: holdfast.Failure, Code: "503"}, // the first attempt of each call
			{Lose: true},                           // the second, after the server has done the work
			{},                                     // and the third passes
		},
	})
	chain := holdfast.Chain(retry.New(retry.Options{InitialInterval: -1}), faults)

	reached := 0
	answer, err := holdfast.Do(context.Background(), chain, holdfast.Call{Target: "users", Repeatable: true},
		func(context.Context) (string, error) {
			reached++
			return "hello", nil
		})
	fmt.Println(answer, err)
	fmt.Println("the server was reached", reached, "times and", faults.Injected(), "faults were met")

	faults.Set(holdfasttest.FaultOptions{}) // switched off, while the program runs
	// Output:
	// hello <nil>
	// the server was reached 2 times and 2 faults were met
}

// A Script shows what a policy does with attempts that end in a given way.
func ExampleScript() {
	script := &holdfasttest.Script{Steps: []holdfasttest.Step{
		{Err: errors.New("broken pipe")},
		{Class: holdfast.Overload, Code: "429", After: time.Millisecond},
		{},
	}}
	res := script.Do(context.Background(), holdfast.Chain(retry.New(retry.Options{InitialInterval: -1})),
		holdfast.Call{Target: "users", Repeatable: true})
	fmt.Println(res.Class)
	for _, sending := range script.Sendings() {
		fmt.Println(sending.Call.Attempt, sending.Result.Code)
	}
	// Output:
	// success
	// 1 error
	// 2 429
	// 3 success
}

// A Network carries real servers and clients. In a bubble of testing/synctest
// their waits cost no time.
func ExampleNetwork() {
	var network holdfasttest.Network
	listener, err := network.Listen("users:80")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello")
	})}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()

	transport := &http.Transport{DialContext: network.DialContext}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: httpclient.Wrap(transport, timeout.New(timeout.Options{Limit: time.Second}))}

	resp, err := client.Get("http://users/")
	if err != nil {
		fmt.Println(err)
		return
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	fmt.Println(string(body), err)

	network.Set("users:80", holdfasttest.Conditions{Refuse: true})
	network.Cut("users:80")
	transport.CloseIdleConnections()
	_, err = client.Get("http://users/")
	fmt.Println(err)
	// Output:
	// hello <nil>
	// Get "http://users/": dial tcp users:80: connect: connection refused
}
