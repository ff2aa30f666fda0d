package grpcclient_test

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/limit"
)

func TestT55_ARejectionIsUnavailableAndTyped(t *testing.T) {
	b := breaker.New(breaker.Options{})
	full := limit.NewRate(limit.RateOptions{PerSecond: 1e-9, Burst: 1})
	if err := full.Acquire(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	cc, err := grpc.NewClient("passthrough:///svc", grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cc.Close() }()
	nobody := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		t.Error("it was sent")
		return nil
	}
	target := cc.Target()
	b.Isolate(target)
	err = grpcclient.Wrapper{}.Unary(b)(t.Context(), "/s/m", nil, nil, cc, nobody)
	var open *breaker.OpenError
	if status.Code(err) != codes.Unavailable || !errors.Is(err, breaker.ErrOpen) || !errors.As(err, &open) || open.State != breaker.Isolated {
		t.Errorf("an open circuit is %v: %v", status.Code(err), err)
	}
	err = grpcclient.Wrapper{}.Unary(full)(t.Context(), "/s/m", nil, nil, cc, nobody)
	var limited *limit.Error
	if status.Code(err) != codes.ResourceExhausted || !errors.Is(err, limit.ErrLimited) || !errors.As(err, &limited) {
		t.Errorf("a full limit is %v: %v", status.Code(err), err)
	}
}
