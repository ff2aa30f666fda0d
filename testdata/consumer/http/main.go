// A program of a user who needs HTTP and nothing else. The check builds it
// outside this module, as go get would, and looks at what it links.
package main

import (
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

func main() {
	client := &http.Client{
		Transport: httpclient.Wrap(http.DefaultTransport,
			timeout.New(timeout.Options{Limit: 2 * time.Second}),        // the whole call, retries included
			retry.New(retry.Options{MaxAttempts: 3}),                    // only what is safe to repeat
			breaker.New(breaker.Options{}),                              // stop asking a server that is down
			timeout.New(timeout.Options{Limit: 500 * time.Millisecond}), // each attempt
		),
	}
	if len(os.Args) < 2 {
		fmt.Println("usage: consumer URL")
		return
	}
	resp, err := client.Get(os.Args[1])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
}
