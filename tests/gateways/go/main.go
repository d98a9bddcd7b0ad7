// A Gateway written from the contract alone, to be certified by the kit. See README.md for its habits.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const pollRecords = 256

func setting(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	if fallback == "" {
		fmt.Fprintf(os.Stderr, "%s is not set\n", name)
		os.Exit(2)
	}
	return fallback
}

func main() {
	ms, err := strconv.Atoi(setting("GAP_TIMEOUT_MS", "3000"))
	enforced, wrong := strconv.ParseBool(setting("RESYNC_ENFORCED", "false"))
	if err != nil || ms <= 0 || wrong != nil {
		fmt.Fprintln(os.Stderr, "expected GAP_TIMEOUT_MS as milliseconds above 0 and RESYNC_ENFORCED as true or false")
		os.Exit(2)
	}
	g := newGateway(&Rules{timeout: time.Duration(ms) * time.Millisecond, enforced: enforced, maxHeld: 128 << 20})
	g.truth, g.ackTopic = newWorldService(setting("WORLDSERVICE_URL", "")), setting("ACK_TOPIC", "control.activation.ack")
	g.client, err = kgo.NewClient(
		kgo.SeedBrokers(strings.Split(setting("KAFKA_BROKERS", ""), ",")...),
		kgo.ConsumeTopics(setting("ACTIVATION_TOPIC", "activation")),
		kgo.ConsumerGroup(setting("GROUP_ID", "")),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(), kgo.Balancers(kgo.RangeBalancer()),
		kgo.SessionTimeout(10*time.Second), kgo.HeartbeatInterval(2*time.Second),
		kgo.FetchMaxBytes(8<<20), kgo.FetchMaxPartitionBytes(4<<20),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(time.Millisecond), kgo.ProducerBatchMaxBytes(4<<20),
		kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) { g.ready.Store(true) }),
		kgo.OnPartitionsRevoked(func(context.Context, *kgo.Client, map[string][]int32) { g.lose() }),
		kgo.OnPartitionsLost(func(context.Context, *kgo.Client, map[string][]int32) { g.lose() }),
	)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	listener, err := net.Listen("tcp", setting("HTTP_ADDR", "127.0.0.1:8080"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server := &http.Server{Handler: g, ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 64 << 10}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	go g.tickForever(ctx)
	go g.commitForever(ctx)
	go g.pollForever(ctx)
	<-ctx.Done()
	time.AfterFunc(800*time.Millisecond, func() { os.Exit(0) }) // whoever asks to stop waits no longer than that
	g.stop()
	last, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	g.commit(last)
	g.client.CloseAllowingRebalance()
	_ = server.Close()
}

// pollForever fetches batches. The next one waits until the streams have worked through most of the last.
func (g *Gateway) pollForever(ctx context.Context) {
	for ctx.Err() == nil {
		fetches := g.client.PollRecords(ctx, pollRecords)
		g.take(fetches)
		for since := time.Now(); ctx.Err() == nil; time.Sleep(time.Millisecond) {
			total, deepest := g.backlog()
			if deepest < 512 && (total <= pollRecords || time.Since(since) > 2*time.Second) {
				break
			}
		}
		g.client.AllowRebalance()
	}
}

func (g *Gateway) tickForever(ctx context.Context) {
	for ctx.Err() == nil {
		g.tick(time.Now())
		time.Sleep(5 * time.Millisecond)
	}
}

func (g *Gateway) commitForever(ctx context.Context) {
	for ctx.Err() == nil {
		time.Sleep(500 * time.Millisecond)
		g.commit(ctx)
	}
}
