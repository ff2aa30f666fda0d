package preset_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/loadbalance"
	"github.com/holdfast-go/holdfast/preset"
)

func ExampleStack_Shutdown() {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	set := loadbalance.New(discovery.Static(server.Listener.Addr().String()), nil, loadbalance.Options{})
	c := preset.Standard()
	c.Inner = []holdfast.Policy{set}
	stack, err := preset.NewStack(c)
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Transport: httpclient.Wrap(nil, stack)}

	// When the program ends:
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err = stack.Shutdown(ctx) // calls under way finish; what is left after 10 s is cut off
	set.Close()               // after all that send through it

	_, late := client.Get("http://users.internal/")
	fmt.Println(err, errors.Is(late, holdfast.ErrClosed))
	// Output: <nil> true
}
