package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// Run is one apply: a plan of moves, of which the first `done` are emitted. Its sequence is their number.
type Run struct {
	id, digest, state, why string
	end                    string // when it ended
	moves                  []Move
	freezes, done, failAt  int
	switchMs               int
	aborted                bool
	unsent                 json.RawMessage // the last event, as long as the bus may not have it
}

func (r *Run) ended() bool { return r.state == "completed" || r.state == "rolled_back" }

// World is what is known of one world. Its mutex guards everything in it.
type World struct {
	mutex   sync.Mutex
	id      string
	order   []Slot
	entries map[Slot]Entry
	last    map[Slot]json.RawMessage
	before  map[Slot]Entry // as they were when the run began
	runs    map[string]*Run
	run     *Run // the latest
	number  int  // events so far
	ts      string
}

// Service holds all worlds.
type Service struct {
	mutex   sync.Mutex
	ctx     context.Context
	book    *Book
	worlds  map[string]*World
	publish func(context.Context, string, []byte) bool
	ping    func(context.Context) error
	running sync.WaitGroup
}

func (s *Service) world(id string, create bool) *World {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.worlds[id] == nil && create {
		s.worlds[id] = &World{
			id: id, entries: map[Slot]Entry{}, last: map[Slot]json.RawMessage{}, runs: map[string]*Run{},
		}
	}
	return s.worlds[id]
}

// apply plans a run over all entries of the world and begins it. It returns the run and an HTTP status.
func (s *Service) apply(id string, text []byte, r Request) (*World, *Run, int) {
	w := s.world(id, true)
	w.mutex.Lock()
	defer w.mutex.Unlock()
	told := digest(text)
	if known := w.runs[r.Run]; known != nil {
		if known.digest == told {
			return w, known, 200
		}
		return w, known, 409
	}
	if w.run != nil && !w.run.ended() {
		return w, w.run, 409
	}
	changes := map[Slot]Change{}
	order := append([]Slot{}, w.order...)
	for _, c := range r.Entries {
		slot := Slot{c.Strategy, c.Side}
		if _, known := w.entries[slot]; !known {
			order = append(order, slot)
		}
		changes[slot] = c
	}
	var freezes, unfreezes []Move
	for _, slot := range order {
		entry, known := w.entries[slot]
		if !known {
			entry = Entry{Mode: "live", Domain: "live"}
		}
		frozen := entry
		frozen.Drain = r.Mode == "drain"
		frozen.Freeze = !frozen.Drain
		frozen.Active = frozen.Active && frozen.Drain
		freezes = append(freezes, Move{"freeze", slot, frozen})
		unfreezes = append(unfreezes, Move{"unfreeze", slot, changed(entry, changes[slot])})
	}
	run := &Run{
		id: r.Run, digest: told, moves: append(freezes, unfreezes...), freezes: len(freezes), failAt: failure(r, len(freezes)),
	}
	if r.Fail != nil {
		run.switchMs = min(r.Fail.SwitchMs, 60_000)
	}
	s.book.note(Line{
		Fact: "begin", World: id, Run: run.id, Digest: told, Moves: run.moves, Freeze: run.freezes, FailAt: run.failAt,
	})
	w.begin(run)
	s.running.Add(1)
	go s.work(w, run)
	return w, run, 202
}

func (w *World) begin(run *Run) {
	run.state, w.run, w.runs[run.id] = "freezing", run, run
	w.before = map[Slot]Entry{}
	for slot, entry := range w.entries {
		w.before[slot] = entry
	}
}

func changed(e Entry, c Change) Entry {
	if c.Strategy == "" {
		return e
	}
	e.Active = c.Active == nil || *c.Active
	if c.Weight != nil {
		e.Weight = *c.Weight
	}
	if c.Mode != nil {
		e.Mode = *c.Mode
	}
	if c.Domain != nil {
		e.Domain = *c.Domain
	}
	return e
}

// failure is after how many events a rehearsed failure comes; 0 for never.
func failure(r Request, freezes int) int {
	if r.Fail == nil || r.Fail.Phase == "" {
		return 0
	}
	after := min(max(r.Fail.After, 1), freezes)
	return map[string]int{"freeze": after, "switch": freezes, "unfreeze": freezes + after}[r.Fail.Phase]
}

// work emits what a run still has to emit, one event at a time: the next when the bus has the last.
func (s *Service) work(w *World, run *Run) {
	defer s.running.Done()
	for s.ctx.Err() == nil {
		w.mutex.Lock()
		unsent := run.unsent
		w.mutex.Unlock()
		if unsent != nil {
			if !s.publish(s.ctx, w.id, unsent) {
				return
			}
			s.book.note(Line{Fact: "sent", World: w.id, Run: run.id})
		}
		if !s.next(w, run) {
			return
		}
	}
}

// next takes one step of a run whose events the bus has. False if it has ended.
func (s *Service) next(w *World, run *Run) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	run.unsent = nil
	if run.state != "rolling_back" && (run.aborted || run.failAt > 0 && run.done >= run.failAt) {
		why := "rehearsed failure"
		if run.aborted {
			why = "given up"
		}
		moves := w.wayBack(run)
		s.book.note(Line{Fact: "replan", World: w.id, Run: run.id, Moves: moves, Why: why})
		run.rollBack(moves, why)
	}
	if run.done == len(run.moves) {
		state := "completed"
		if run.state == "rolling_back" {
			state = "rolled_back"
		}
		run.state, run.end = state, now()
		s.book.note(Line{Fact: "end", World: w.id, Run: run.id, State: state, Ts: run.end})
		return false
	}
	if run.done == run.freezes && run.state == "freezing" {
		run.state = "switching"
		w.mutex.Unlock()
		pause(s.ctx, time.Duration(run.switchMs)*time.Millisecond)
		w.mutex.Lock()
		run.state = "unfreezing"
		if run.aborted {
			return true
		}
	}
	s.emit(w, run)
	return true
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func (s *Service) emit(w *World, run *Run) {
	move, sequence := run.moves[run.done], run.done+1
	entry := move.Entry
	entry.Etag, entry.Ts = fmt.Sprintf("%s/%d", run.id, sequence), now()
	w.entries, w.order = with(w.entries, move.Slot, entry), w.ordered(move.Slot)
	w.number++
	body := Body{
		Type: "ActivationUpdated", Version: w.number, World: w.id, Run: run.id, Strategy: move.Slot.Strategy,
		Side: move.Slot.Side, Entry: entry, Hash: hashOf(w.entries), Phase: move.Phase, Ack: true, Sequence: sequence,
		Key: fmt.Sprintf("%q %q %d", w.id, run.id, sequence),
	}
	value, err := json.Marshal(body)
	if err != nil {
		fail(1, err)
	}
	s.book.note(Line{Fact: "event", World: w.id, Run: run.id, Number: w.number, Moves: []Move{move}, Entry: &entry, Value: value})
	w.emitted(run, move.Slot, entry.Ts, value)
}

func with(entries map[Slot]Entry, slot Slot, entry Entry) map[Slot]Entry {
	entries[slot] = entry
	return entries
}

func (w *World) ordered(slot Slot) []Slot {
	for _, known := range w.order {
		if known == slot {
			return w.order
		}
	}
	return append(w.order, slot)
}

func (w *World) emitted(run *Run, slot Slot, ts string, value json.RawMessage) {
	run.done, run.unsent, w.last[slot], w.ts = run.done+1, value, value, ts
}

// wayBack freezes again what is unfrozen already and unfreezes everything that was touched as it was before.
func (w *World) wayBack(run *Run) []Move {
	var touched []Slot
	var again, back []Move
	known := map[Slot]bool{}
	for _, move := range run.moves[:run.done] {
		if !known[move.Slot] {
			known[move.Slot], touched = true, append(touched, move.Slot)
		}
	}
	for _, slot := range touched {
		entry := w.entries[slot]
		if !entry.Freeze && !entry.Drain {
			entry.Freeze, entry.Active = true, false
			again = append(again, Move{"freeze", slot, entry})
		}
		before, was := w.before[slot]
		if !was {
			before = Entry{Mode: "live", Domain: "live"}
		}
		back = append(back, Move{"unfreeze", slot, before})
	}
	return append(again, back...)
}

func (r *Run) rollBack(moves []Move, why string) {
	r.moves, r.state, r.why = append(r.moves[:r.done:r.done], moves...), "rolling_back", why
}

// recall reads the journal.
func (s *Service) recall() error {
	return s.book.read(func(line Line) {
		w := s.world(line.World, true)
		run := w.runs[line.Run]
		switch line.Fact {
		case "begin":
			w.begin(&Run{id: line.Run, digest: line.Digest, moves: line.Moves, freezes: line.Freeze, failAt: line.FailAt})
		case "event":
			slot := line.Moves[0].Slot
			w.number, w.entries, w.order = line.Number, with(w.entries, slot, *line.Entry), w.ordered(slot)
			w.emitted(run, slot, line.Entry.Ts, line.Value)
			if run.state == "freezing" && run.done > run.freezes {
				run.state = "unfreezing"
			}
		case "sent":
			run.unsent = nil
		case "replan":
			run.rollBack(line.Moves, line.Why)
		case "end":
			run.state, run.end, run.unsent = line.State, line.Ts, nil
		}
	})
}

// goOn takes up the runs that were cut off.
func (s *Service) goOn() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, w := range s.worlds {
		if w.run != nil && !w.run.ended() {
			s.running.Add(1)
			go s.work(w, w.run)
		}
	}
}

func (s *Service) wait() { s.running.Wait() }
