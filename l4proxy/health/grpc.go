package health

import (
	"context"
	"errors"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/steelyard-lb/steelyard/l4proxy/health/check"
)

// answerMax is how long an answer to a check by gRPC may be, in bytes.
const answerMax = 4 << 10

var errUsed = errors.New("a check has one connection")

// probeGRPC asks grpc.health.v1.Health/Check, in the clear as the kubelet does.
// gRPC gets one connection and makes no second attempt of its own.
func probeGRPC(ctx context.Context, t check.Target) error {
	tcp, err := dial(ctx, t)
	if err != nil {
		return err
	}
	defer tcp.Close()
	given := make(chan net.Conn, 1)
	given <- tcp
	conn, err := grpc.DialContext(ctx, "passthrough:///"+t.Addr.String(),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUserAgent(agent), grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(answerMax)),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			select {
			case tcp := <-given:
				return tcp, nil
			default:
				return nil, errUsed
			}
		}))
	if err != nil {
		return err
	}
	defer conn.Close()
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: t.Check.Path})
	switch code := status.Code(err); {
	case code == codes.DeadlineExceeded || code == codes.Canceled:
		return err
	case err != nil:
		return statusError(fmt.Sprintf("Health/Check answers %v: %.200s", code, status.Convert(err).Message()))
	case answer.Status != grpc_health_v1.HealthCheckResponse_SERVING:
		return statusError(fmt.Sprintf("Health/Check answers %v", answer.Status))
	}
	return nil
}
