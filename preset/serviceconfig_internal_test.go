package preset

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/holdfast-go/holdfast/internal/alloctest"
)

// grpcParser is gRPC's own.
func grpcParser(t *testing.T) func(text string) (*grpc.ServiceConfig, error) {
	t.Helper()
	var parser resolver.ClientConn
	m := manual.NewBuilderWithScheme("preset")
	m.BuildCallback = func(_ resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) { parser = cc }
	cc, err := grpc.NewClient("preset:///x", grpc.WithResolvers(m), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithMaxCallAttempts(1000))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	cc.Connect()
	return func(text string) (*grpc.ServiceConfig, error) {
		res := parser.ParseServiceConfig(text)
		if res.Err != nil {
			return nil, res.Err
		}
		config, ok := res.Config.(*grpc.ServiceConfig)
		if !ok {
			return nil, errors.New("another type")
		}
		return config, nil
	}
}

func TestServiceConfigsAreReadAsByGRPC(t *testing.T) {
	theirs := grpcParser(t)
	for _, c := range serviceConfigs {
		got, err := ParseServiceConfig([]byte(c.text))
		want, wantErr := theirs(c.text)
		switch {
		case c.ours != "":
			if err == nil || !strings.Contains(err.Error(), c.ours) || wantErr != nil {
				t.Errorf("%s: %v, want %q; gRPC: %v", c.text, err, c.ours, wantErr)
			}
		case (err == nil) != (wantErr == nil):
			t.Errorf("%s: %v; gRPC: %v", c.text, err, wantErr)
		case err == nil:
			sameConfig(t, c.text, got, want)
		}
	}
}

// sameConfig compares what both have understood.
func sameConfig(t *testing.T, text string, got *ServiceConfig, want *grpc.ServiceConfig) {
	t.Helper()
	n := 0
	for i := range got.methods {
		m := &got.methods[i]
		for _, name := range m.names {
			n++
			path := "/" + name.service + "/" + name.method
			if name == (methodName{}) {
				path = ""
			}
			theirs, ok := want.Methods[path]
			if !ok {
				t.Errorf("%s: gRPC has no %q", text, path)
				continue
			}
			ours := fmt.Sprint(orNone(m.timeout), orNone(m.waitForReady))
			if other := fmt.Sprint(orNone(theirs.Timeout), orNone(theirs.WaitForReady)); ours != other {
				t.Errorf("%s: %s, gRPC: %s", text, ours, other)
			}
			if (m.retry == nil) != (theirs.RetryPolicy == nil) {
				t.Errorf("%s: retry %v, gRPC %v", text, m.retry, theirs.RetryPolicy)
			}
			if r, p := m.retry, theirs.RetryPolicy; r != nil && p != nil {
				var names []string
				for code := range p.RetryableStatusCodes {
					names = append(names, codeName(code))
				}
				slices.Sort(names)
				mine := slices.Sorted(slices.Values(r.codes))
				if r.maxAttempts != p.MaxAttempts || r.initialBackoff != p.InitialBackoff || r.maxBackoff != p.MaxBackoff || r.multiplier != p.BackoffMultiplier || !slices.Equal(mine, names) {
					t.Errorf("%s: %+v, gRPC %+v", text, r, p)
				}
			}
		}
	}
	if n != len(want.Methods) {
		t.Errorf("%s: %d names, gRPC has %d", text, n, len(want.Methods))
	}
}

func orNone[T any](p *T) string {
	if p == nil {
		return "- "
	}
	return fmt.Sprintf("%v ", *p)
}

func codeName(c codes.Code) string {
	for _, name := range []string{"UNAVAILABLE", "ABORTED", "CANCELLED", "DEADLINE_EXCEEDED"} {
		var known codes.Code
		if known.UnmarshalJSON([]byte(`"`+name+`"`)) == nil && known == c {
			return name
		}
	}
	return c.String()
}

func FuzzServiceConfig(f *testing.F) {
	for _, c := range serviceConfigs {
		f.Add([]byte(c.text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var s *ServiceConfig
		var err error
		alloctest.Within(t, 512<<10+120*len(text), func() { s, err = ParseServiceConfig(text) })
		if err != nil {
			if len(err.Error()) > 10_000 || strings.ContainsAny(err.Error(), "\r\x00\x1b") {
				t.Errorf("an error of %d bytes: %q", len(err.Error()), err)
			}
			return
		}
		alloctest.Within(t, 1<<20+600*len(text), func() { _, _ = s.Policy(Standard()) })
	})
}
