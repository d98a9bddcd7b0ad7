package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

const (
	maxClients = 64
	queueBytes = 8 << 20 // frames that one client may be behind
	writeLimit = 5 * time.Second
)

// ServeHTTP reads paths in their escaped form, because ids may contain slashes.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	switch {
	case len(parts) == 3 && parts[0] == "gate" && r.Method == http.MethodGet:
		g.serveGate(w, parts[1], parts[2])
	case parts[0] == "stream" && len(parts) == 1:
		g.relay.serve(w, r)
	case parts[0] == "metrics" && len(parts) == 1:
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		g.mutex.Lock()
		page := g.metrics.page()
		g.mutex.Unlock()
		_, _ = w.Write([]byte(page))
	case parts[0] == "health" && len(parts) == 1 && g.ready.Load():
		w.WriteHeader(http.StatusNoContent)
	case parts[0] == "health" && len(parts) == 1:
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		http.NotFound(w, r)
	}
}

func (g *Gateway) serveGate(w http.ResponseWriter, escapedWorld, escapedRun string) {
	world, err := url.PathUnescape(escapedWorld)
	run, wrong := url.PathUnescape(escapedRun)
	if err != nil || wrong != nil {
		http.Error(w, "odd escapes in the path", http.StatusBadRequest)
		return
	}
	open, because, applied := g.gateOf(world, run)
	orders := "blocked"
	if open {
		orders = "allowed"
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"orders": orders, "because": because, "stream": map[string]string{"world": world, "run": run},
		"applied": json.Number(applied),
	})
}

// relay shows applied events to whoever listens. A client that falls behind is disconnected; nobody waits for it.
type relay struct {
	mutex   sync.Mutex
	clients map[*client]bool
}

type client struct {
	frames [][]byte
	bytes  int
	wake   chan struct{}
	cancel context.CancelFunc
}

func (r *relay) show(frame []byte) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for c := range r.clients {
		if c.bytes+len(frame) > queueBytes {
			delete(r.clients, c)
			c.cancel()
			continue
		}
		c.frames, c.bytes = append(c.frames, frame), c.bytes+len(frame)
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

func (r *relay) serve(w http.ResponseWriter, request *http.Request) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := &client{wake: make(chan struct{}, 1), cancel: cancel}
	r.mutex.Lock()
	if len(r.clients) >= maxClients {
		r.mutex.Unlock()
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if r.clients == nil {
		r.clients = map[*client]bool{}
	}
	r.clients[c] = true // before the handshake ends, so that it misses nothing
	r.mutex.Unlock()
	defer func() {
		r.mutex.Lock()
		delete(r.clients, c)
		r.mutex.Unlock()
	}()
	socket, err := websocket.Accept(w, request, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer socket.CloseNow()
	ctx = socket.CloseRead(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		}
		r.mutex.Lock()
		frames := c.frames
		c.frames = nil
		r.mutex.Unlock()
		for _, frame := range frames {
			limited, done := context.WithTimeout(ctx, writeLimit)
			err := socket.Write(limited, websocket.MessageText, frame)
			done()
			if err != nil {
				return
			}
			r.mutex.Lock()
			c.bytes -= len(frame)
			r.mutex.Unlock()
		}
	}
}

// metrics are counters by sample name and one histogram.
type metrics struct {
	counters map[string]uint64
	buckets  [len(bounds)]uint64
	count    uint64
	sum      float64
}

var bounds = [...]float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000}

func newMetrics() metrics {
	return metrics{counters: map[string]uint64{"gaps_total": 0, "gap_timeouts_total": 0, "ack_failures_total": 0}}
}

func (m *metrics) add(name string) { m.counters[name]++ }

func (m *metrics) acked(latency time.Duration) {
	ms := float64(latency.Microseconds()) / 1000
	m.count, m.sum = m.count+1, m.sum+ms
	for i, bound := range bounds {
		if ms <= bound {
			m.buckets[i]++
		}
	}
}

func (m *metrics) page() string {
	var page strings.Builder
	names := make([]string, 0, len(m.counters))
	for name := range m.counters {
		names = append(names, name)
	}
	slices.Sort(names)
	family := ""
	for _, name := range names {
		if base, _, _ := strings.Cut(name, "{"); base != family {
			family = base
			fmt.Fprintf(&page, "# TYPE %s counter\n", family)
		}
		fmt.Fprintf(&page, "%s %d\n", name, m.counters[name])
	}
	const latency = "controlbus_apply_ack_latency_ms"
	fmt.Fprintf(&page, "# TYPE %s histogram\n", latency)
	for i, bound := range bounds {
		fmt.Fprintf(&page, "%s_bucket{le=\"%g\"} %d\n", latency, bound, m.buckets[i])
	}
	fmt.Fprintf(&page, "%s_bucket{le=\"+Inf\"} %d\n%s_sum %g\n%s_count %d\n", latency, m.count, latency, m.sum, latency, m.count)
	return page.String()
}
