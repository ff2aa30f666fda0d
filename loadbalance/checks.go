package loadbalance

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/holdfast-go/holdfast/discovery"
)

// TCP is a Checks.Probe that connects: a node is healthy that accepts.
func TCP(ctx context.Context, e discovery.Endpoint) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", e.Addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

// HTTP makes a Checks.Probe that gets a path over plain HTTP: a node is healthy that
// answers with a status from 200 to 299. client nil means one of its own, which
// keeps no connection.
func HTTP(path string, client *http.Client) func(ctx context.Context, e discovery.Endpoint) error {
	if client == nil {
		client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	}
	return func(ctx context.Context, e discovery.Endpoint) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.Addr+path, http.NoBody)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode < 200 || resp.StatusCode > 299 {
			return fmt.Errorf("%s answers %s", path, resp.Status)
		}
		return nil
	}
}
