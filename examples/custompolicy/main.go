// Custompolicy shows a policy of one's own: a bulkhead that bounds the calls under way for each
// tenant. Twenty calls of one tenant arrive at once, and one of another.
package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/timeout"
)

type tenantKey struct{}

func main() {
	handler := holdfast.Chain(
		timeout.New(timeout.Options{Limit: time.Second}),
		&Bulkhead{Max: 5, Of: func(ctx context.Context) string { name, _ := ctx.Value(tenantKey{}).(string); return name }},
	)
	served, rejected := run(handler, map[string]int{"greedy": 20, "modest": 1})
	for _, name := range []string{"greedy", "modest"} {
		fmt.Printf("%s: %d calls served, %d rejected\n", name, served[name], rejected[name])
	}
}

// run makes so many calls for each tenant. Those that are let through are under way until all
// have been made.
func run(handler holdfast.Handler, calls map[string]int) (served, rejected map[string]int) {
	served, rejected = map[string]int{}, map[string]int{}
	var mu sync.Mutex // of the counts
	var made, over sync.WaitGroup
	for _, n := range calls {
		made.Add(n)
	}
	for name, n := range calls {
		ctx := context.WithValue(context.Background(), tenantKey{}, name)
		for range n {
			over.Go(func() {
				let := false
				_, err := holdfast.Do(ctx, handler, holdfast.Call{Target: "database"}, func(context.Context) (int, error) {
					let = true
					made.Done()
					made.Wait()
					return 1, nil
				})
				if !let {
					made.Done()
				}
				mu.Lock()
				defer mu.Unlock()
				if errors.Is(err, ErrFull) {
					rejected[name]++
				} else {
					served[name]++
				}
			})
		}
	}
	over.Wait()
	return served, rejected
}
