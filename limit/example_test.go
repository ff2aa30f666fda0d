package limit_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-go/holdfast/limit"
)

func ExampleNewInFlight() {
	l := limit.NewInFlight(limit.InFlightOptions{Max: 1})
	release, err := l.Acquire(context.Background(), "users")
	fmt.Println(err)
	_, err = l.Acquire(context.Background(), "users")
	fmt.Println(err)
	release()
	// Output:
	// <nil>
	// holdfast: limited to 1 calls in flight: no room
}

func ExampleNewRate() {
	l := limit.NewRate(limit.RateOptions{PerSecond: 1})
	fmt.Println(l.Acquire(context.Background(), "users"))
	fmt.Println(errors.Is(l.Acquire(context.Background(), "users"), limit.ErrLimited))
	// Output:
	// <nil>
	// true
}
