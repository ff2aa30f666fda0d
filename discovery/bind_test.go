package discovery_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/discovery"
)

// TestBindIsUnderstood asks bind9, whose zone changes under way: scripts/dns-check
// installs it.
func TestBindIsUnderstood(t *testing.T) {
	if os.Getenv("HOLDFAST_BIND") == "" {
		t.Skip("scripts/dns-check runs it, with bind9")
	}
	server := startBind(t)
	update := func(what string) {
		t.Helper()
		host, port, _ := net.SplitHostPort(server)
		cmd := exec.CommandContext(t.Context(), "nsupdate", "-v")
		cmd.Stdin = strings.NewReader(fmt.Sprintf("server %s %s\nzone test\n%s\nsend\n", host, port, what))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("nsupdate: %v: %s", err, out)
		}
	}
	o := discovery.DNSOptions{Server: server, MinInterval: 100 * time.Millisecond}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	n := 0
	for endpoints, err := range discovery.DNS("users.test:80", o).Watch(ctx) {
		if n++; n == 1 {
			if err != nil || addrs(endpoints) != "10.0.0.1:80 [fd00::1]:80" {
				t.Fatalf("%v %v", endpoints, err)
			}
			update("update add users.test 1 A 10.0.0.2")
			continue
		}
		if err != nil || addrs(endpoints) != "10.0.0.1:80 10.0.0.2:80 [fd00::1]:80" {
			t.Fatalf("after the update: %v %v", endpoints, err)
		}
		break
	}
	srv := o
	srv.SRV = true
	got, err := first(t, discovery.DNS("_api._tcp.test", srv))
	slices.SortFunc(got, func(a, b discovery.Endpoint) int { return strings.Compare(a.Addr, b.Addr) })
	if err != nil || len(got) != 2 || got[0].Addr != "10.0.0.7:8080" || got[0].Weight != 3 || got[1].Priority != 0 {
		t.Errorf("SRV: %+v %v", got, err)
	}
	if _, err := first(t, discovery.DNS("nobody.test:80", o)); err == nil || !strings.Contains(err.Error(), "no such host") {
		t.Errorf("NXDOMAIN: %v", err)
	}
	if _, err := first(t, discovery.DNS("elsewhere.org:80", o)); err == nil || !strings.Contains(err.Error(), "REFUSED") {
		t.Errorf("another's zone: %v", err)
	}
	var lines []string  // more than fits into a datagram
	for i := range 95 { // of a hundred that bind allows
		lines = append(lines, fmt.Sprintf("update add many.test 60 A 10.1.0.%d", i))
	}
	update(strings.Join(lines, "\n"))
	if got, err := first(t, discovery.DNS("many.test:80", o)); err != nil || len(got) != 95 {
		t.Errorf("95 addresses: %d, %v", len(got), err)
	}
}

func startBind(t *testing.T) (addr string) {
	t.Helper()
	folder := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	for name, text := range map[string]string{
		"named.conf": fmt.Sprintf(`options { directory %q; listen-on port %s { 127.0.0.1; }; listen-on-v6 { none; }; pid-file none; session-keyfile none; recursion no; };
controls { };
zone "test" { type primary; file "test.zone"; allow-update { 127.0.0.1; }; };`, folder, port),
		"test.zone": `$TTL 1
@ SOA ns.test. admin.test. 1 60 60 60 1
@ NS ns.test.
ns A 127.0.0.1
users A 10.0.0.1
users AAAA fd00::1
_api._tcp SRV 5 3 8080 a.test.
_api._tcp SRV 5 1 8081 b.test.
a A 10.0.0.7
b A 10.0.0.8
`,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil { //nolint:gosec // bind may run as somebody else
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "named", "-g", "-c", filepath.Join(folder, "named.conf"), "-n", "1")
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait()
	})
	addr = net.JoinHostPort("127.0.0.1", port)
	for deadline := time.Now().Add(10 * time.Second); ; <-time.After(20 * time.Millisecond) {
		if _, err := first(t, discovery.DNS("users.test:80", discovery.DNSOptions{Server: addr, Timeout: 200 * time.Millisecond})); err == nil {
			return addr
		}
		if time.Now().After(deadline) {
			t.Fatalf("bind does not answer:\n%s", log.String())
		}
	}
}
