// A WorldService written from the contract alone, to be certified by the kit. See README.md for its habits.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

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
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(setting("KAFKA_BROKERS", ""), ",")...),
		kgo.DefaultProduceTopic(setting("ACTIVATION_TOPIC", "activation")),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0),
	)
	if err != nil {
		fail(2, err)
	}
	book, err := openBook(setting("JOURNAL", "worlds.jsonl"))
	if err != nil {
		fail(2, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	service := &Service{ctx: ctx, book: book, worlds: map[string]*World{}, publish: publisher(client)}
	if err := service.recall(); err != nil {
		fail(2, err)
	}
	listener, err := net.Listen("tcp", setting("HTTP_ADDR", "127.0.0.1:8080"))
	if err != nil {
		fail(1, err)
	}
	for service.ping = client.Ping; ctx.Err() == nil && client.Ping(ctx) != nil; {
		time.Sleep(50 * time.Millisecond)
	}
	server := &http.Server{Handler: service, ReadTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fail(1, err)
		}
	}()
	service.goOn()
	<-ctx.Done()
	time.AfterFunc(2*time.Second, func() { os.Exit(0) }) // whoever asks to stop waits no longer than that
	_ = server.Close()
	service.wait()
	client.Close()
}

// publisher sends one record and returns when the broker has it, or when the service is told to stop.
func publisher(client *kgo.Client) func(context.Context, string, []byte) bool {
	return func(ctx context.Context, world string, value []byte) bool {
		for ctx.Err() == nil {
			record := &kgo.Record{Key: []byte(world), Value: value}
			if err := client.ProduceSync(ctx, record).FirstErr(); err == nil {
				return true
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
		}
		return false
	}
}

func fail(code int, err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(code)
}
