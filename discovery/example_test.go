package discovery_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/discovery"
)

// show prints what a resolver yields first.
func show(r discovery.Resolver) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for endpoints, err := range r.Watch(ctx) {
		fmt.Println(addrs(endpoints), err)
		return
	}
}

func ExampleStatic() {
	show(discovery.Static("10.0.0.1:80", "10.0.0.2:80"))
	// Output: 10.0.0.1:80 10.0.0.2:80 <nil>
}

func ExampleEndpoints() {
	show(discovery.Endpoints(discovery.Endpoint{Addr: "10.0.0.1:80", Weight: 3, Zone: "eu-1a"}))
	// Output: 10.0.0.1:80 <nil>
}

func ExamplePoll() {
	show(discovery.Poll(func(context.Context) ([]discovery.Endpoint, error) {
		return []discovery.Endpoint{{Addr: "10.0.0.1:80"}}, nil // asked of a registry, really
	}, discovery.PollOptions{Interval: 10 * time.Second}))
	// Output: 10.0.0.1:80 <nil>
}

func ExampleDNS() {
	show(discovery.DNS("localhost", discovery.DNSOptions{})) // the port is missing
	// Output:  discovery: "localhost" is no name with a port, such as users.internal:8080: address localhost: missing port in address
}

func ExampleDNS_srv() {
	r := discovery.DNS("_grpc._tcp.users.internal", discovery.DNSOptions{SRV: true, Interval: 10 * time.Second})
	fmt.Println(r)
	// Output: dns _grpc._tcp.users.internal
}

func ExampleFile() {
	folder, err := os.MkdirTemp("", "endpoints")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(folder) }()
	path := filepath.Join(folder, "users")
	if err := os.WriteFile(path, []byte("10.0.0.1:8080 weight=3\n10.0.0.2:8080"), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	show(discovery.File(path, time.Second))
	// Output: 10.0.0.1:8080 10.0.0.2:8080 <nil>
}

func ExampleMerge() {
	show(discovery.Merge(discovery.Static("10.0.0.1:80")))
	// Output: 10.0.0.1:80 <nil>
}

func ExampleFilter() {
	show(discovery.Filter(discovery.Static("10.0.0.1:80", "10.9.0.1:80"), func(e discovery.Endpoint) bool {
		return strings.HasPrefix(e.Addr, "10.0.")
	}))
	// Output: 10.0.0.1:80 <nil>
}

func ExampleDebounce() {
	show(discovery.Debounce(discovery.Static("10.0.0.1:80"), 100*time.Millisecond))
	// Output: 10.0.0.1:80 <nil>
}

func ExampleSubset() {
	show(discovery.Subset(discovery.Static("a:1", "b:1", "c:1"), 1, 42))
	// Output: b:1 <nil>
}

func ExampleBalancedSubset() {
	r := discovery.Static("a:1", "b:1", "c:1", "d:1")
	for client := range 2 { // two clients of two endpoints each share out all four
		show(discovery.BalancedSubset(r, 2, client))
	}
	// Output:
	// a:1 b:1 <nil>
	// d:1 c:1 <nil>
}
