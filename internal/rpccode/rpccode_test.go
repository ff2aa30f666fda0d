package rpccode_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/rpccode"
)

// gRPC's names go there and back, and are those of its specification.
func TestGRPCCodesGoThereAndBack(t *testing.T) {
	names := rpccode.Names()
	if len(names) != 17 {
		t.Fatalf("%d codes", len(names))
	}
	for n, name := range names {
		if rpccode.Name(uint32(n)) != name || rpccode.Number(name) != uint32(n) {
			t.Errorf("%d is %s, which is %d", n, name, rpccode.Number(name))
		}
		var c codes.Code
		if err := c.UnmarshalJSON([]byte(`"` + name + `"`)); err != nil || uint32(c) != uint32(n) {
			t.Errorf("gRPC reads %s as %d, %v", name, c, err)
		}
	}
	if rpccode.Name(99) != "UNKNOWN" {
		t.Error("a number that is no code has a name")
	}
}

// What callers over gRPC get: the caller's own doing, what this process did wrong, and what is away
// for now, each told apart; also what a policy of one's own rejects.
func TestEachOutcomeIsAStatus(t *testing.T) {
	for want, outcomes := range map[codes.Code][]holdfast.Code{
		codes.OK:                 {holdfast.CodeOK, "200", "204", "301", "304", "100"},
		codes.Canceled:           {holdfast.CodeCancelled, holdfast.CodeSuperseded, "499"},
		codes.Unknown:            {holdfast.CodeError, "402", "418", "505"},
		codes.InvalidArgument:    {"400"},
		codes.DeadlineExceeded:   {holdfast.CodeTimeout, holdfast.CodeDeadline, "408", "504"},
		codes.NotFound:           {"404"},
		codes.AlreadyExists:      {"409"},
		codes.PermissionDenied:   {"403"},
		codes.ResourceExhausted:  {holdfast.CodeLimited, "429"},
		codes.FailedPrecondition: {"412"},
		codes.OutOfRange:         {"416"},
		codes.Unimplemented:      {"501"},
		codes.Internal:           {holdfast.CodeRequest, holdfast.CodeRequestBody, holdfast.CodeConfig, holdfast.CodePanic, holdfast.CodeNoResponse, "500"},
		codes.Unavailable: {
			holdfast.CodeDial, holdfast.CodeProxy, holdfast.CodeTLS, holdfast.CodeTLSTimeout, holdfast.CodeCertificate, holdfast.CodeRefusedStream,
			holdfast.CodeGoAway, holdfast.CodeReset, holdfast.CodeEOF, holdfast.CodeTruncated, holdfast.CodeExhausted,
			holdfast.CodeCircuitOpen, holdfast.CodeNoEndpoint, "502", "503", "tenant_full", "999", "099", "5xx!", "",
		},
		codes.Unauthenticated: {holdfast.CodeCredentials, "401"},
	} {
		for _, code := range outcomes {
			if got := codes.Code(rpccode.Number(code)); got != want {
				t.Errorf("%q is %v, want %v", code, got, want)
			}
		}
	}
}

// Each status has the names that other transports have for the same, which are nobody's to change.
func TestEachStatusHasItsLikes(t *testing.T) {
	for name, want := range map[string][]string{
		"RESOURCE_EXHAUSTED": {"429"}, "DEADLINE_EXCEEDED": {"408", "504"}, "ABORTED": {"409"}, "ALREADY_EXISTS": {"409"},
		"UNAVAILABLE": {"502", "503", "504", "eof", "reset", "timeout"}, "DATA_LOSS": nil, "dial": nil,
	} {
		got := rpccode.Alike(name)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		if clear(got); !slices.Equal(rpccode.Alike(name), want) {
			t.Errorf("%s: the table can be written to", name)
		}
	}
}

func TestCodesAreAsked(t *testing.T) {
	for _, code := range []holdfast.Code{holdfast.CodeTimeout, holdfast.CodeDeadline} {
		if !rpccode.OutOfTime(code) {
			t.Errorf("%s is not out of time", code)
		}
	}
	for _, code := range []holdfast.Code{"DEADLINE_EXCEEDED", "504", holdfast.CodeDial, "ok", "x"} { // servers' answers, and others
		if rpccode.OutOfTime(code) {
			t.Errorf("%s is out of time", code)
		}
	}
	for _, code := range []holdfast.Code{"500", "501", "599", "INTERNAL", "UNKNOWN", "DATA_LOSS", holdfast.CodeError} {
		if !rpccode.Application(code) {
			t.Errorf("%s is the infrastructure's alone", code)
		}
	}
	for _, code := range []holdfast.Code{"502", "503", "504", "UNAVAILABLE", "DEADLINE_EXCEEDED", holdfast.CodeTimeout, holdfast.CodeDial, holdfast.CodeReset, "x"} {
		if rpccode.Application(code) {
			t.Errorf("%s may be the application's", code)
		}
	}
}

// The table has every Code that the root declares.
func TestTheTableIsComplete(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../../code.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		if value, ok := node.(*ast.BasicLit); ok && value.Kind == token.STRING {
			n++
			if code, err := strconv.Unquote(value.Value); err != nil || !rpccode.Known(code) {
				t.Errorf("%s is not in the table: %v", value.Value, err)
			}
		}
		return true
	})
	if n < 20 {
		t.Errorf("%d codes are declared", n)
	}
}
