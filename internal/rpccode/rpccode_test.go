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

// What a policy of one's own rejects is what it is over gRPC.
func TestCodesOfOnesOwnAreUnavailable(t *testing.T) {
	for code, want := range map[holdfast.Code]codes.Code{
		"tenant_full": codes.Unavailable, holdfast.CodeLimited: codes.ResourceExhausted, holdfast.CodeTimeout: codes.DeadlineExceeded,
		holdfast.CodeDeadline: codes.DeadlineExceeded, holdfast.CodeCancelled: codes.Canceled, holdfast.CodeError: codes.Unknown, holdfast.CodeConfig: codes.Internal,
	} {
		if got := codes.Code(rpccode.Number(code)); got != want {
			t.Errorf("%s is %v, want %v", code, got, want)
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
	if got := rpccode.Alike("RESOURCE_EXHAUSTED"); !slices.Equal(got, []string{"429"}) || rpccode.Alike("dial") != nil {
		t.Errorf("alike: %v", got)
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
