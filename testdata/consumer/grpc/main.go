// A program of a user of gRPC. The check builds it outside this module, as go
// get would.
package main

import (
	"context"
	"fmt"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/preset"
)

func dial(target string) (*grpc.ClientConn, error) {
	door := grpcclient.Wrapper{Repeatable: grpcclient.Methods("/grpc.health.v1.Health/Check")} // nothing is repeated unasked
	opts := door.DialOptions(preset.Standard().Policies()...)                                  // both interceptors; gRPC's own retry is off
	return grpc.NewClient(target, append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
}

func main() {
	if len(os.Args) < 2 {
		fmt.Println("usage: consumer TARGET")
		return
	}
	conn, err := dial(os.Args[1])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	defer conn.Close()
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(context.Background(), &grpc_health_v1.HealthCheckRequest{})
	fmt.Println(answer, err)
}
