package arch

import (
	"go/token"
	"strings"
	"testing"
)

const root = "../.."

// tree parses the repository.
func tree(t *testing.T) []*file {
	t.Helper()
	files, err := load(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("%d files found; this checks nothing", len(files))
	}
	return files
}

// fake parses one made-up file.
func fake(t *testing.T, path, src string) *file {
	t.Helper()
	f, err := parse(token.NewFileSet(), path, src)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func report(t *testing.T, wrong []string) {
	t.Helper()
	for _, w := range wrong {
		t.Error(w)
	}
}

func TestPackagesImportOnlyLowerFloors(t *testing.T) { report(t, checkFloors(tree(t))) }

func TestTheFloorsAreEnforced(t *testing.T) {
	imports := func(pkg, path string) string { return "package " + pkg + "\n\nimport _ \"" + path + "\"\n" }
	for name, c := range map[string]struct {
		path, src string
		want      string // part of the complaint; empty: none
	}{
		"the waist on the standard library":  {"a.go", imports("holdfast", "net/http"), ""},
		"a policy on the waist":              {"retry/a.go", imports("retry", module), ""},
		"a policy on internal":               {"retry/a.go", imports("retry", module+"/internal/keyed"), ""},
		"a policy on its dependency":         {"retry/a.go", imports("retry", backoff), ""},
		"a door on a policy":                 {"interceptors/httpclient/a.go", imports("httpclient", module+"/retry"), ""},
		"a test of a policy with another":    {"retry/a_test.go", imports("retry_test", module+"/timeout"), ""},
		"a test of a door with the kit":      {"interceptors/httpclient/a_test.go", imports("httpclient_test", module+"/holdfasttest"), ""},
		"a test of the kit with a policy":    {"holdfasttest/a_test.go", imports("holdfasttest_test", module+"/retry"), ""},
		"an example on everything":           {"examples/storm/a.go", imports("main", module+"/interceptors/httpclient"), ""},
		"the waist on a third party":         {"a.go", imports("holdfast", "github.com/pkg/errors"), "no leave"},
		"the waist on a policy":              {"a.go", imports("holdfast", module+"/retry"), "lower floors"},
		"a test of the waist on a policy":    {"a_test.go", imports("holdfast_test", module+"/retry"), ""},
		"an inner test of the waist on one":  {"a_test.go", imports("holdfast", module+"/retry"), "lower floors"},
		"a test of a policy on a door":       {"retry/a_test.go", imports("retry_test", module+"/interceptors/httpclient"), "lower floors"},
		"a policy on its sibling":            {"retry/a.go", imports("retry", module+"/timeout"), "siblings"},
		"a policy's inner test on a sibling": {"retry/a_test.go", imports("retry", module+"/timeout"), "siblings"},
		"a policy on a door":                 {"retry/a.go", imports("retry", module+"/interceptors/httpclient"), "lower floors"},
		"a policy on gRPC":                   {"timeout/a.go", imports("timeout", grpc+"/codes"), "no leave"},
		"the HTTP door on gRPC":              {"interceptors/httpclient/a.go", imports("httpclient", grpc), "no leave"},
		"a test of the HTTP door on HTTP/2":  {"interceptors/httpclient/a_test.go", imports("httpclient_test", http2), ""},
		"the HTTP door on x/net":             {"interceptors/httpclient/a.go", imports("httpclient", http2), "no leave"},
		"the HTTP door on the gRPC door":     {"interceptors/httpclient/a.go", imports("httpclient", module+"/interceptors/grpcclient"), "siblings"},
		"a module with a like name":          {"retry/a.go", imports("retry", backoff+"x"), "no leave"},
		"a policy on what is for tests":      {"retry/a.go", imports("retry", module+"/internal/optiontest"), "for tests"},
		"its test on what is for tests":      {"retry/a_test.go", imports("retry", module+"/internal/optiontest"), ""},
		"internal on the waist":              {"internal/keyed/a.go", imports("keyed", module), "internal packages"},
		"the kit on a policy":                {"holdfasttest/a.go", imports("holdfasttest", module+"/retry"), "root alone"},
		"a policy on the kit":                {"retry/a.go", imports("retry", module+"/holdfasttest"), "for tests"},
		"metrics on a policy":                {"observe/prometheus/a.go", imports("prometheus", module+"/breaker"), "tell of themselves"},
		"metrics on what observes":           {"observe/prometheus/a.go", imports("prometheus", module+"/observe"), ""},
		"a test of metrics on a policy":      {"observe/prometheus/a_test.go", imports("prometheus_test", module+"/breaker"), ""},
		"a new folder":                       {"util/a.go", imports("util", "fmt"), "stands on no floor"},
		"an import of an unknown folder":     {"retry/a.go", imports("retry", module+"/util"), "stands on no floor"},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(checkFloors([]*file{fake(t, c.path, c.src)}), "\n")
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("complaint %q, want %q", got, c.want)
			}
		})
	}
}
