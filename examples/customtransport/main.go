package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"time"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/loadbalance"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

func main() {
	if err := run(os.Stdout, 20); err != nil {
		log.Fatal(err)
	}
}

// run asks two servers, of which one is stopped midway.
func run(out io.Writer, requests int) error {
	var servers [2]*Server
	defer func() {
		for _, s := range servers {
			if s != nil {
				s.Close()
			}
		}
	}()
	for i := range servers {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		servers[i] = Serve(l, func(_ context.Context, req Request, w io.Writer) error {
			_, err := fmt.Fprintf(w, "server %d has %s", i+1, req.Body)
			return err
		})
	}
	set := loadbalance.New(discovery.Static(servers[0].Addr(), servers[1].Addr()), loadbalance.RoundRobin, loadbalance.Options{})
	defer set.Close()
	repeats := retry.New(retry.Options{InitialInterval: time.Millisecond})
	client := NewClient("library",
		timeout.New(timeout.Options{Limit: 5 * time.Second}), // the whole request
		repeats,
		hedge.New(hedge.Options{Budget: repeats.Budget()}),
		breaker.New(breaker.Options{}),
		set, // each attempt goes to another server
		timeout.New(timeout.Options{Limit: time.Second}), // each attempt
	)
	defer client.Close()

	answers := map[string]int{}
	for i := range requests {
		if i == requests/2 {
			servers[0].Close()
		}
		answer, err := client.Ask(context.Background(), Request{Method: "get", Repeatable: true, Body: []byte("a book")})
		if err != nil {
			return err
		}
		text, err := io.ReadAll(answer)
		if err := errors.Join(err, answer.Close()); err != nil {
			return err
		}
		answers[string(text)]++
	}
	_, err := fmt.Fprintln(out, answers)
	return err
}
