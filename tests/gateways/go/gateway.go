package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	maxStreams   = 4096
	maxHolds     = 256 // unsequenced freezes of one world
	maxResyncing = 256
)

type streamID struct{ world, run string }

// World is what streams of one world have in common.
type World struct {
	streams []*tracked // oldest first
	holds   map[holdID]place
}

// holdID names an unsequenced freeze; an empty run means all runs.
type holdID struct {
	run  string
	slot Slot
}

type place struct {
	partition int32
	offset    int64
	arrival   uint64
}

// tracked is a stream and where it lies in the log.
type tracked struct {
	*Stream
	first map[int32]int64 // its first record by partition
	last  time.Time
}

// partition is how far one partition was read.
type partition struct {
	topic     string
	next      int64
	target    int64 // its end when reading began: below it no gate opens
	committed int64
}

// Gateway brings streams, broker and WorldService together. Everything below the mutex is guarded by it.
type Gateway struct {
	client   *kgo.Client
	truth    *WorldService
	ackTopic string
	relay    relay
	ready    atomic.Bool

	mutex      sync.Mutex
	rules      *Rules
	streams    map[streamID]*tracked
	worlds     map[string]*World
	partitions map[int32]*partition
	dirty      map[*Stream]bool // may have something to do
	metrics    metrics
	arrivals   uint64
	resyncing  int
	stopping   bool
	// a stream with work left was given up: no offset is committed any more, so that a restart finds it
	keepOffsets bool
}

func newGateway(rules *Rules) *Gateway {
	return &Gateway{rules: rules, streams: map[streamID]*tracked{}, worlds: map[string]*World{},
		partitions: map[int32]*partition{}, dirty: map[*Stream]bool{}, metrics: newMetrics()}
}

// take puts a whole batch into the streams and lets them go on afterwards.
func (g *Gateway) take(fetches kgo.Fetches) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	now := time.Now()
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if len(p.Records) == 0 {
			return
		}
		known := g.partitions[p.Partition]
		if known == nil {
			known = &partition{topic: p.Topic, target: p.HighWatermark, committed: -1}
			g.partitions[p.Partition] = known
		}
		for _, record := range p.Records {
			g.record(record, now)
			known.next = record.Offset + 1
		}
	})
	g.sweep()
}

func (g *Gateway) record(r *kgo.Record, now time.Time) {
	event, why := parseEvent(r.Value)
	if why != "" {
		g.metrics.add(`dropped_events_total{reason="` + why + `"}`)
		return
	}
	g.arrivals++
	event.received, event.arrival = now, g.arrivals
	at := place{r.Partition, r.Offset, g.arrivals}
	if event.seq == "" {
		g.override(event, at)
		return
	}
	t := g.streams[streamID{event.world, event.run}]
	if t == nil {
		t = g.begin(event)
	}
	if _, seen := t.first[r.Partition]; !seen {
		t.first[r.Partition] = r.Offset
	}
	t.last = now
	fate, opened := t.arrive(event, now)
	if fate != "" {
		g.metrics.add(`dropped_events_total{reason="` + fate + `"}`)
	}
	if opened {
		g.metrics.add("gaps_total")
	}
	g.dirty[t.Stream] = true
}

func (g *Gateway) begin(e *Event) *tracked {
	if len(g.streams) >= maxStreams {
		g.giveUpOne()
	}
	t := &tracked{Stream: newStream(g.rules, e.world, e.run), first: map[int32]int64{}}
	w := g.worldOf(e.world)
	w.streams = append(w.streams, t)
	for id, hold := range w.holds {
		if id.run == "" || id.run == e.run {
			t.hold(id.slot, hold.arrival)
		}
	}
	g.streams[streamID{e.world, e.run}] = t
	return t
}

func (g *Gateway) worldOf(name string) *World {
	w := g.worlds[name]
	if w == nil {
		w = &World{holds: map[holdID]place{}}
		g.worlds[name] = w
	}
	return w
}

// giveUpOne forgets the stream that was silent longest, if possible one with nothing to do. Its gate is closed then.
func (g *Gateway) giveUpOne() {
	var victim *tracked
	for _, t := range g.streams {
		if victim == nil || !t.busy() && victim.busy() || t.busy() == victim.busy() && t.last.Before(victim.last) {
			victim = t
		}
	}
	g.keepOffsets = g.keepOffsets || victim.busy() // after a restart it is read again
	g.drop(victim)
}

func (g *Gateway) drop(t *tracked) {
	t.abandoned = true
	for len(t.waiting) > 0 {
		t.forget(len(t.waiting) - 1)
	}
	delete(g.dirty, t.Stream)
	delete(g.streams, streamID{t.world, t.run})
	w := g.worlds[t.world]
	for i, other := range w.streams {
		if other == t {
			w.streams = append(w.streams[:i:i], w.streams[i+1:]...)
			break
		}
	}
	if len(w.streams) == 0 && len(w.holds) == 0 {
		delete(g.worlds, t.world)
	}
}

// override handles an event that needs no ACK: it may close gates; it takes back only what another override has closed,
// and nothing while its world has a gap.
func (g *Gateway) override(e *Event, at place) {
	if !e.entry.frozen && !e.thaws || g.worlds[e.world] == nil && len(g.worlds) >= 2*maxStreams {
		g.metrics.add(`dropped_events_total{reason="override"}`)
		return
	}
	w := g.worldOf(e.world)
	for _, t := range w.streams {
		if !e.entry.frozen && t.gapped() {
			g.metrics.add(`dropped_events_total{reason="override_in_gap"}`)
			return
		}
	}
	if e.entry.frozen && len(w.holds) >= maxHolds {
		e.slot = Slot{} // one for all that follow
	}
	if e.entry.frozen {
		w.holds[holdID{e.run, e.slot}] = at
	} else {
		for id := range w.holds {
			if id.slot == e.slot && (e.run == "" || e.run == id.run) {
				delete(w.holds, id)
			}
		}
	}
	for _, t := range w.streams {
		if e.run != "" && e.run != t.run {
			continue
		}
		if e.entry.frozen {
			t.hold(e.slot, at.arrival)
		} else {
			t.release(e.slot)
		}
	}
	g.relay.show(frameOf(e, time.Now()))
	if len(w.streams) == 0 && len(w.holds) == 0 {
		delete(g.worlds, e.world)
	}
}

// forgetHolds drops from the world what its newest stream has got past, so that a later run does not inherit it.
func (g *Gateway) forgetHolds(s *Stream) {
	w := g.worlds[s.world]
	if w == nil || len(w.streams) == 0 || w.streams[len(w.streams)-1].Stream != s {
		return
	}
	for id, hold := range w.holds {
		if _, held := s.holds[id.slot]; !held && hold.arrival <= g.arrivals && (id.run == "" || id.run == s.run) {
			delete(w.holds, id)
		}
	}
}

// sweep takes one step in every stream that can take one, so that their ACKs go to the broker together.
func (g *Gateway) sweep() {
	for s := range g.dirty {
		delete(g.dirty, s)
		if g.stopping {
			continue
		}
		now := time.Now()
		event, ack := s.step(now)
		if event != nil {
			g.relay.show(frameOf(event, now))
			g.forgetHolds(s)
		}
		if ack != nil {
			g.publish(s, ack)
		}
	}
}

// publish sends an ACK until the broker has it. The stream waits for that, and only then goes on.
func (g *Gateway) publish(s *Stream, ack *Ack) {
	record := &kgo.Record{Topic: g.ackTopic, Key: []byte(s.world), Value: ack.value}
	g.client.TryProduce(context.Background(), record, func(_ *kgo.Record, err error) {
		if err != nil {
			time.AfterFunc(minPause, func() {
				g.mutex.Lock()
				defer g.mutex.Unlock()
				g.metrics.add("ack_failures_total")
				if !g.stopping && !s.abandoned {
					g.publish(s, ack)
				}
			})
			return
		}
		g.mutex.Lock()
		defer g.mutex.Unlock()
		g.metrics.acked(time.Since(ack.received))
		s.confirmed()
		if !s.abandoned {
			g.dirty[s] = true
		}
		g.sweep()
	})
}

func (g *Gateway) tick(now time.Time) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	for _, t := range g.streams {
		if g.resyncing >= maxResyncing || g.stopping {
			return
		}
		attempt, yes := t.timedOut(now, g.arrivals)
		if yes && t.failures == 0 {
			g.metrics.add("gap_timeouts_total")
		}
		if attempt != 0 {
			g.resyncing++
			go g.resync(t.Stream, attempt)
		}
	}
}

// retire stops a stream from asking if the WorldService speaks of a run that began later here.
func (g *Gateway) retire(s *Stream, run string) {
	seen := false
	for _, t := range g.worldOf(s.world).streams {
		seen = seen || t.Stream == s
		s.retired = s.retired || seen && t.run == run
	}
}

// gateOf is the answer for one stream. Whoever has no history, or has not read it to its end yet, is closed.
func (g *Gateway) gateOf(world, run string) (open bool, because string, applied Seq) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	t := g.streams[streamID{world, run}]
	if t == nil {
		return false, "unknown stream", "0"
	}
	for number := range t.first {
		if p := g.partitions[number]; p == nil || p.next < p.target {
			return false, "reading history", t.applied
		}
	}
	open, because = t.gate()
	return open, because, t.applied
}

// backlog counts the events that only wait for ACKs of earlier ones: all together, and in the longest stream.
func (g *Gateway) backlog() (total, deepest int) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	for _, t := range g.streams {
		total, deepest = total+t.ready, max(deepest, t.ready)
	}
	return total, deepest
}

// commit moves the group's offsets. What is still needed to know the state of a world's newest run is never passed.
func (g *Gateway) commit(ctx context.Context) {
	offsets := map[string]map[int32]kgo.EpochOffset{}
	g.mutex.Lock()
	safe := map[int32]int64{}
	for number, p := range g.partitions {
		safe[number] = p.next
	}
	for _, w := range g.worlds {
		for i, t := range w.streams {
			for number, offset := range t.first {
				if t.busy() || i == len(w.streams)-1 {
					safe[number] = min(safe[number], offset)
				}
			}
		}
		for _, hold := range w.holds {
			safe[hold.partition] = min(safe[hold.partition], hold.offset)
		}
	}
	for number, p := range g.partitions {
		if safe[number] > p.committed && !g.keepOffsets {
			if offsets[p.topic] == nil {
				offsets[p.topic] = map[int32]kgo.EpochOffset{}
			}
			offsets[p.topic][number] = kgo.EpochOffset{Epoch: -1, Offset: safe[number]}
			p.committed = safe[number]
		}
	}
	g.mutex.Unlock()
	if len(offsets) > 0 {
		g.client.CommitOffsetsSync(ctx, offsets, nil)
	}
}

// lose starts over: with an eager balancer all partitions are lost at once and read again from what was committed.
func (g *Gateway) lose() {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	for _, t := range g.streams {
		g.drop(t)
	}
	clear(g.worlds)
	clear(g.partitions)
	g.keepOffsets = false
}

func (g *Gateway) stop() {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.stopping = true
}
