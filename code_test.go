package holdfast_test

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/holdfast-go/holdfast"
)

func ExampleCodeOfGRPC() {
	fmt.Println(holdfast.CodeOfGRPC(14), holdfast.Code("UNAVAILABLE").GRPC(), holdfast.CodeCircuitOpen.GRPC())
	// Output: UNAVAILABLE 14 14
}

// gRPC's names go there and back, and are those of its specification.
func TestGRPCCodesGoThereAndBack(t *testing.T) {
	names := holdfast.GRPCCodes()
	if len(names) != 17 {
		t.Fatalf("%d codes", len(names))
	}
	for n, name := range names {
		if holdfast.CodeOfGRPC(uint32(n)) != name || name.GRPC() != uint32(n) {
			t.Errorf("%d is %s, which is %d", n, name, name.GRPC())
		}
		var c codes.Code
		if err := c.UnmarshalJSON([]byte(`"` + string(name) + `"`)); err != nil || uint32(c) != uint32(n) {
			t.Errorf("gRPC reads %s as %d, %v", name, c, err)
		}
	}
	if holdfast.CodeOfGRPC(99) != "UNKNOWN" {
		t.Error("a number that is no code has a name")
	}
}

// What a policy of one's own rejects is what it is over gRPC.
func TestCodesOfOnesOwnAreUnavailable(t *testing.T) {
	for code, want := range map[holdfast.Code]codes.Code{
		"tenant_full": codes.Unavailable, holdfast.CodeLimited: codes.ResourceExhausted, holdfast.CodeTimeout: codes.DeadlineExceeded,
		holdfast.CodeDeadline: codes.DeadlineExceeded, holdfast.CodeCancelled: codes.Canceled, holdfast.CodeError: codes.Unknown, holdfast.CodeConfig: codes.Internal,
	} {
		if got := codes.Code(code.GRPC()); got != want {
			t.Errorf("%s is %v, want %v", code, got, want)
		}
	}
}

func TestCodesAreAsked(t *testing.T) {
	for _, code := range []holdfast.Code{holdfast.CodeTimeout, holdfast.CodeDeadline} {
		if !code.OutOfTime() {
			t.Errorf("%s is not out of time", code)
		}
	}
	for _, code := range []holdfast.Code{"DEADLINE_EXCEEDED", "504", holdfast.CodeDial, "ok", "x"} { // servers' answers, and others
		if code.OutOfTime() {
			t.Errorf("%s is out of time", code)
		}
	}
	for _, code := range []holdfast.Code{"500", "501", "599", "INTERNAL", "UNKNOWN", "DATA_LOSS", holdfast.CodeError} {
		if !code.Application() {
			t.Errorf("%s is the infrastructure's alone", code)
		}
	}
	for _, code := range []holdfast.Code{"502", "503", "504", "UNAVAILABLE", "DEADLINE_EXCEEDED", holdfast.CodeTimeout, holdfast.CodeDial, holdfast.CodeReset, "x"} {
		if code.Application() {
			t.Errorf("%s may be the application's", code)
		}
	}
	if got := holdfast.Code("RESOURCE_EXHAUSTED").Alike(); !slices.Equal(got, []holdfast.Code{"429"}) || holdfast.CodeDial.Alike() != nil {
		t.Errorf("alike: %v", got)
	}
}
