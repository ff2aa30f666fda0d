package breaker_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
)

func ExampleNew() {
	handler := holdfast.Chain(breaker.New(breaker.Options{})) // five failures in a row open it
	down := errors.New("down")
	for range 7 {
		_, err := holdfast.Do(context.Background(), handler, holdfast.Call{Target: "users"},
			func(context.Context) (string, error) { return "", down })
		fmt.Println(err == down, errors.Is(err, breaker.ErrOpen))
	}
	// Output:
	// true false
	// true false
	// true false
	// true false
	// true false
	// false true
	// false true
}
