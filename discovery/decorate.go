package discovery

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/internal/names"
)

// A decorated Resolver hands Refresh on.
type decorated struct {
	Resolver
	watch func(ctx context.Context) iter.Seq2[[]Endpoint, error]
	name  string
}

// Watch is the decorator's.
func (d *decorated) Watch(ctx context.Context) iter.Seq2[[]Endpoint, error] { return d.watch(ctx) }

// Refresh asks what is decorated.
func (d *decorated) Refresh() { refresh(d.Resolver) }

// String names both.
func (d *decorated) String() string { return fmt.Sprintf("%s(%s)", d.name, names.Own(d.Resolver)) }

func refresh(r Resolver) {
	if r, ok := r.(Refresher); ok {
		r.Refresh()
	}
}

// each is a Resolver that passes every set of r through f.
func each(r Resolver, name string, f func([]Endpoint) []Endpoint) Resolver {
	return &decorated{r, func(ctx context.Context) iter.Seq2[[]Endpoint, error] {
		return func(yield func([]Endpoint, error) bool) {
			for endpoints, err := range r.Watch(ctx) {
				if err == nil {
					endpoints = f(endpoints)
				}
				if !yield(endpoints, err) {
					return
				}
			}
		}
	}, name}
}

// Filter is r with the endpoints that keep reports.
func Filter(r Resolver, keep func(Endpoint) bool) Resolver {
	return each(r, "filter", func(endpoints []Endpoint) []Endpoint {
		return slices.DeleteFunc(slices.Clone(endpoints), func(e Endpoint) bool { return !keep(e) })
	})
}

// Debounce is r with its sets at least d apart, the first one at once: of those that
// come faster only the last is yielded. Errors come as they are.
func Debounce(r Resolver, d time.Duration) Resolver {
	return &decorated{r, func(ctx context.Context) iter.Seq2[[]Endpoint, error] {
		return func(yield func([]Endpoint, error) bool) {
			news, stop := pump(ctx, []Resolver{r})
			defer stop()
			timer := time.NewTimer(0)
			defer timer.Stop()
			var held []Endpoint
			holding, open := false, false // open: the next set may go out at once
			for {
				select {
				case <-ctx.Done():
					return
				case <-timer.C:
					if open = !holding; holding {
						holding = false
						timer.Reset(d)
						if !yield(held, nil) {
							return
						}
					}
				case n, ok := <-news:
					switch {
					case !ok:
						if holding {
							yield(held, nil)
						}
						return
					case n.err != nil:
						if !yield(nil, n.err) {
							return
						}
					case open:
						open = false
						timer.Reset(d)
						if !yield(n.endpoints, nil) {
							return
						}
					default:
						held, holding = n.endpoints, true
					}
				}
			}
		}
	}, "debounce"}
}

// Merge is the endpoints of all resolvers together; an address that several have is
// there once, with the weights of all. It yields as soon as one of them has, and
// keeps what each said last.
func Merge(resolvers ...Resolver) Resolver { return &merge{resolvers} }

type merge struct{ of []Resolver }

// Refresh asks all of them.
func (m *merge) Refresh() {
	for _, r := range m.of {
		refresh(r)
	}
}

// String names them.
func (m *merge) String() string {
	var all []string
	for _, r := range m.of {
		all = append(all, names.Own(r))
	}
	return "merge[" + strings.Join(all, " ") + "]"
}

// Watch watches all of them.
func (m *merge) Watch(ctx context.Context) iter.Seq2[[]Endpoint, error] {
	return func(yield func([]Endpoint, error) bool) {
		news, stop := pump(ctx, m.of)
		defer stop()
		sets := make([][]Endpoint, len(m.of))
		for n := range news {
			if n.err != nil {
				if !yield(nil, n.err) {
					return
				}
				continue
			}
			sets[n.of] = n.endpoints
			if !yield(merged(slices.Concat(sets...)), nil) {
				return
			}
		}
	}
}

// A newsItem is what one of several resolvers yielded.
type newsItem struct {
	of        int
	endpoints []Endpoint
	err       error
}

// pump watches resolvers at once; the channel is closed when all have ended. stop
// ends them, and waits.
func pump(ctx context.Context, resolvers []Resolver) (<-chan newsItem, func()) {
	ctx, cancel := context.WithCancel(ctx)
	news := make(chan newsItem)
	var wg sync.WaitGroup
	for i, r := range resolvers {
		wg.Go(func() {
			for endpoints, err := range r.Watch(ctx) {
				select {
				case news <- newsItem{i, endpoints, err}:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		wg.Wait()
		close(news)
	}()
	return news, func() {
		cancel()
		<-done
	}
}
