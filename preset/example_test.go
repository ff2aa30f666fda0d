package preset_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/preset"
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
	fmt.Println(preset.Conservative().Retry.Attempts)
	// Output: 2
}

func ExampleBackground() {
	fmt.Println(preset.Background().Retry.Attempts)
	// Output: 5
}

func ExampleParse() {
	c, err := preset.Parse([]byte(`{"preset": "standard", "timeout": {"limit": "2s"}, "attempt": {"limit": "500ms"}, "hedge": {"extra": 1}}`))
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
	c.Retry.Attempts = 2
	changes, err := stack.Update(c) // calls that begin now have two attempts
	fmt.Println(changes, err)
	// Output: [{retry.attempts 3 2}] <nil>
}
