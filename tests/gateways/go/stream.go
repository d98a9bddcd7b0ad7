package main

import (
	"maps"
	"slices"
	"time"
)

const (
	maxWaiting = 1024 // events that one stream holds back
	maxEntries = 4096 // entries of one stream
	keptAcks   = 128  // ACKs of one stream that can be repeated
	maxOutbox  = 256  // repetitions wait only up to here
	minPause   = 200 * time.Millisecond
	maxPause   = 5 * time.Second
	minSpacing = 250 * time.Millisecond // between two resyncs of a stream: two requests each
)

// Rules are the settings that all streams share.
type Rules struct {
	timeout  time.Duration
	enforced bool
	held     int // bytes of all waiting events
	maxHeld  int
}

// Stream holds the rules of one (world, run), without I/O; time is an argument.
type Stream struct {
	rules      *Rules
	world, run string
	applied    Seq
	hash       string // of the last applied event or accepted snapshot; "" if there is none
	entries    map[Slot]Entry
	holds      map[Slot]uint64 // unsequenced freezes and when they came
	crowded    bool            // more entries than can be kept: never open

	waiting []*Event // received, not applied; sorted, no duplicates
	ready   int      // so many of them follow on what is applied without a hole
	highest Seq      // ever received

	sending *Ack   // at the broker, not confirmed yet
	outbox  []*Ack // to be sent before anything else is applied
	sent    map[Seq]*Ack
	sentLog []Seq

	due       time.Time // when the gap times out or the next resync may start; zero: never
	started   time.Time // start of the last resync
	attempt   int       // number of the resync in flight, 0 if none
	attempts  int
	mark      uint64 // what had arrived when that resync started
	failures  int
	retired   bool // a newer run is followed and the WorldService speaks of that one only
	abandoned bool // given up by the Gateway
}

func newStream(rules *Rules, world, run string) *Stream {
	return &Stream{rules: rules, world: world, run: run, applied: "0", highest: "0",
		entries: map[Slot]Entry{}, holds: map[Slot]uint64{}, sent: map[Seq]*Ack{}}
}

// reach is the last sequence up to which everything was received.
func (s *Stream) reach() Seq {
	if s.ready == 0 {
		return s.applied
	}
	return s.waiting[s.ready-1].seq
}

func (s *Stream) gapped() bool { return s.highest.above(s.reach()) }

func (s *Stream) busy() bool { return len(s.waiting) > 0 || len(s.outbox) > 0 || s.sending != nil }

// arrive takes one sequenced event. It returns what became of it ("" if it was taken) and whether it opened a gap.
func (s *Stream) arrive(e *Event, now time.Time) (fate string, opened bool) {
	if !e.seq.above(s.applied) {
		if ack := s.sent[e.seq]; ack != nil && len(s.outbox) < maxOutbox {
			s.outbox = append(s.outbox, &Ack{seq: ack.seq, value: ack.value, received: now})
		}
		return "duplicate", false
	}
	at, known := slices.BinarySearchFunc(s.waiting, e, bySequence)
	if known {
		return "duplicate", false
	}
	before, reach := s.gapped(), s.reach()
	if e.seq.above(s.highest) {
		s.highest = e.seq
	}
	if e.seq == reach.next() || s.roomFor(e) {
		s.waiting = slices.Insert(s.waiting, at, e)
		s.rules.held += len(e.raw)
	} else {
		fate = "overflow" // the gap stays open for it, because `highest` remembers it
	}
	s.measure()
	switch {
	case !s.gapped():
		s.calm()
	case !before:
		opened = true
		s.due = now.Add(s.rules.timeout)
	case s.reach() != reach && s.attempt == 0: // part of the hole was filled
		s.failures, s.due = 0, now.Add(s.rules.timeout)
	}
	return fate, opened
}

func bySequence(a, b *Event) int {
	if a.seq == b.seq {
		return 0
	}
	if a.seq.above(b.seq) {
		return 1
	}
	return -1
}

// roomFor makes room where it can, at the expense of a later event.
func (s *Stream) roomFor(e *Event) bool {
	full := func() bool {
		return len(s.waiting) >= maxWaiting || s.rules.held+len(e.raw) > s.rules.maxHeld
	}
	for full() && len(s.waiting) > s.ready && s.waiting[len(s.waiting)-1].seq.above(e.seq) {
		s.forget(len(s.waiting) - 1)
	}
	return !full()
}

func (s *Stream) forget(index int) {
	s.rules.held -= len(s.waiting[index].raw)
	s.waiting = slices.Delete(s.waiting, index, index+1)
}

// measure finds out anew how far the waiting events follow without a hole.
func (s *Stream) measure() {
	for s.ready < len(s.waiting) && s.waiting[s.ready].seq == s.reach().next() {
		s.ready++
	}
}

// calm ends whatever the gap had started; an answer that is still under way finds nobody.
func (s *Stream) calm() {
	s.due, s.attempt, s.failures = time.Time{}, 0, 0
}

// step applies the next event if its turn has come. It returns the event to be shown (or nil) and the ACK to be
// published (or nil, if there is nothing to do). Nothing more happens before that ACK is confirmed.
func (s *Stream) step(now time.Time) (*Event, *Ack) {
	if s.sending != nil || s.abandoned {
		return nil, nil
	}
	if len(s.outbox) > 0 {
		s.sending, s.outbox = s.outbox[0], s.outbox[1:]
		return nil, s.sending
	}
	if len(s.waiting) == 0 {
		return nil, nil
	}
	e := s.waiting[0]
	mayApply := e.seq == s.applied.next()
	if !mayApply {
		return nil, nil
	}
	s.forget(0)
	s.ready = max(0, s.ready-1)
	s.applied, s.hash = e.seq, e.hash
	if _, known := s.entries[e.slot]; known || len(s.entries) < maxEntries {
		s.entries[e.slot] = e.entry
	} else {
		s.crowded = true
	}
	if s.holds[e.slot] < e.arrival {
		delete(s.holds, e.slot)
	}
	s.sending = ackOf(e, now)
	return e, s.sending
}

// confirmed tells that the broker has the ACK.
func (s *Stream) confirmed() {
	ack := s.sending
	s.sending = nil
	if s.sent[ack.seq] != nil || len(ack.value) > 4096 {
		return
	}
	s.sent[ack.seq], s.sentLog = ack, append(s.sentLog, ack.seq)
	if len(s.sentLog) > keptAcks {
		delete(s.sent, s.sentLog[0])
		s.sentLog = s.sentLog[1:]
	}
}

// timedOut tells whether a timer has run out; the number is that of the resync to be started, 0 for none.
func (s *Stream) timedOut(now time.Time, arrival uint64) (attempt int, yes bool) {
	if s.due.IsZero() || now.Before(s.due) || s.attempt != 0 || s.abandoned {
		return 0, false
	}
	if !s.rules.enforced || s.retired {
		s.due = time.Time{}
		return 0, true
	}
	if earliest := s.started.Add(minSpacing); now.Before(earliest) {
		s.due = earliest
		return 0, false
	}
	s.attempts++
	s.attempt, s.started, s.mark, s.due = s.attempts, now, arrival, time.Time{}
	return s.attempt, true
}

// diverged tells whether the snapshot is needed after a probe.
func (s *Stream) diverged(attempt int, probed string) bool {
	return attempt == s.attempt && (s.hash == "" || s.hash != probed)
}

// later ends a resync that has not mended the stream and sets the time of the next.
func (s *Stream) later(attempt int, now time.Time) {
	if attempt != s.attempt {
		return
	}
	s.attempt = 0
	s.due = now.Add(min(minPause<<min(s.failures, 5), maxPause))
	s.failures++
}

// accept takes a snapshot over if it may be trusted. It returns whether it did, and whether that left a further gap.
func (s *Stream) accept(attempt int, probed string, snap *Snapshot, now time.Time) (taken, further bool) {
	if attempt != s.attempt {
		return false, false
	}
	ours := snap.world == s.world && snap.run == s.run
	fresh := !s.applied.above(snap.seq)
	hashAgrees := snap.hash == probed
	if !ours || !fresh || !hashAgrees {
		s.later(attempt, now)
		return false, false
	}
	reach := s.reach()
	for len(s.waiting) > 0 && !s.waiting[0].seq.above(snap.seq) {
		s.outbox = append(s.outbox, ackOf(s.waiting[0], now))
		s.forget(0)
	}
	s.applied, s.hash, s.entries, s.ready = snap.seq, snap.hash, snap.entries, 0
	if snap.seq.above(s.highest) {
		s.highest = snap.seq
	}
	maps.DeleteFunc(s.holds, func(_ Slot, arrival uint64) bool { return arrival <= s.mark }) // known to the snapshot
	s.crowded = len(snap.entries) > maxEntries
	s.measure()
	switch {
	case !s.gapped():
		s.calm()
	case s.reach() == reach: // true, but no help
		s.later(attempt, now)
	default:
		s.calm()
		s.due, further = now.Add(s.rules.timeout), true
	}
	return true, further
}

// hold closes the gate over an unsequenced freeze, until a later event of the same slot is applied.
func (s *Stream) hold(slot Slot, arrival uint64) { s.holds[slot] = arrival }

// release takes back an unsequenced freeze. It lifts nothing that a sequenced event has frozen.
func (s *Stream) release(slot Slot) { delete(s.holds, slot) }

// gate tells whether orders pass, and why not.
func (s *Stream) gate() (open bool, because string) {
	switch {
	case s.gapped():
		return false, "gap"
	case len(s.waiting) > 0:
		return false, "catching up"
	case len(s.holds) > 0:
		return false, "override"
	case len(s.entries) == 0 || s.crowded:
		return false, "no entries"
	}
	for _, entry := range s.entries {
		if entry.frozen || !entry.active {
			return false, "entry frozen or inactive"
		}
	}
	return true, "all entries active"
}
