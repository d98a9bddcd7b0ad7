package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxPayload = 1 << 20
	maxDepth   = 64
	maxDigits  = 1000
)

// Seq is a sequence in decimal without leading zeros, so that it is exact at any size and can be compared with ==.
type Seq string

func (a Seq) above(b Seq) bool {
	return len(a) > len(b) || len(a) == len(b) && a > b
}

func (a Seq) next() Seq {
	digits := []byte(a)
	for i := len(digits) - 1; i >= 0; i-- {
		if digits[i] != '9' {
			digits[i]++
			return Seq(digits)
		}
		digits[i] = '0'
	}
	return Seq("1" + string(digits))
}

// whole reads a JSON number that is an integer of zero or more; 3.0 and 3e0 are 3.
func whole(value any) (Seq, bool) {
	number, ok := value.(json.Number)
	text := string(number)
	if !ok || strings.HasPrefix(text, "-") || len(text) > maxDigits {
		return "", false
	}
	if strings.ContainsAny(text, "eE") {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || f != math.Trunc(f) || f >= 1<<53 {
			return "", false
		}
		return Seq(strconv.FormatFloat(f, 'f', 0, 64)), true
	}
	digits, fraction, _ := strings.Cut(text, ".")
	return Seq(digits), strings.Trim(fraction, "0") == ""
}

// Slot names one (strategy, side) entry of a stream.
type Slot struct{ strategy, side string }

// Entry is what the gate needs to know of a slot.
type Entry struct{ frozen, active bool }

// Event is one valid message. Unsequenced ones have an empty seq.
type Event struct {
	world, run, phase, version string
	seq                        Seq
	slot                       Slot
	entry                      Entry
	thaws                      bool // says freeze=false and nothing to the contrary
	hash                       string
	etag, ts                   any
	raw                        json.RawMessage
	received                   time.Time
	arrival                    uint64
}

func decode(raw []byte) (map[string]any, error) {
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.UseNumber()
	var body map[string]any
	if err := decoder.Decode(&body); err != nil {
		return nil, err
	}
	if body == nil {
		return nil, errors.New("no object")
	}
	return body, nil
}

func tooDeep(raw []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// parseEvent returns the event in a record, or the reason why the record is dropped.
func parseEvent(value []byte) (*Event, string) {
	if len(value) > maxPayload || tooDeep(value) {
		return nil, "oversized"
	}
	var document map[string]json.RawMessage
	if !utf8.Valid(value) || json.Unmarshal(value, &document) != nil || document == nil {
		return nil, "not_json"
	}
	raw := json.RawMessage(value)
	if _, enveloped := document["specversion"]; enveloped {
		if !goodEnvelope(value) {
			return nil, "envelope"
		}
		raw = document["data"]
	}
	body, err := decode(raw)
	if err != nil || !goodBody(body) {
		return nil, "schema"
	}
	event := &Event{world: body["world_id"].(string), etag: body["etag"], ts: body["ts"], version: "1", raw: raw}
	event.run, _ = body["run_id"].(string)
	event.phase, _ = body["phase"].(string)
	event.hash, _ = body["state_hash"].(string)
	event.slot.strategy, _ = body["strategy_id"].(string)
	event.slot.side, _ = body["side"].(string)
	event.entry = entryOf(body)
	event.thaws = body["freeze"] == false && !event.entry.frozen
	if version, ok := whole(body["version"]); ok {
		event.version = string(version)
	}
	if body["requires_ack"] != true {
		return event, ""
	}
	event.seq, _ = whole(body["sequence"])
	if event.run == "" || event.phase == "" || event.seq == "" {
		return nil, "schema"
	}
	return event, ""
}

func goodEnvelope(value []byte) bool {
	e, err := decode(value)
	if err != nil || e["specversion"] != "1.0" || e["type"] != "activation_updated" {
		return false
	}
	return filled(e["id"]) && filled(e["source"]) && orNull[string](e, "time", "datacontenttype", "correlation_id")
}

func filled(value any) bool {
	text, ok := value.(string)
	return ok && text != ""
}

// orNull tells whether each of these fields is absent, null or of type T.
func orNull[T any](body map[string]any, names ...string) bool {
	for _, name := range names {
		if _, ok := body[name].(T); body[name] != nil && !ok {
			return false
		}
	}
	return true
}

func oneOf(value any, words ...string) bool {
	for _, word := range words {
		if value == word {
			return true
		}
	}
	return value == nil
}

func goodEntry(b map[string]any) bool {
	if weight, ok := b["weight"].(json.Number); ok {
		if f, err := weight.Float64(); err != nil || f < 0 || f > 1 {
			return false
		}
	}
	return orNull[json.Number](b, "weight") && orNull[bool](b, "active", "freeze", "drain") &&
		orNull[string](b, "strategy_id", "etag", "ts", "state_hash") && oneOf(b["side"], "long", "short") &&
		oneOf(b["effective_mode"], "validate", "compute-only", "paper", "live", "shadow") &&
		oneOf(b["execution_domain"], "backtest", "dryrun", "live", "shadow")
}

func goodBody(b map[string]any) bool {
	for _, name := range []string{"version", "sequence"} {
		number, ok := whole(b[name])
		if _, present := b[name]; present && (!ok || number == "0") && (name == "version" || b[name] != nil) {
			return false
		}
	}
	for _, name := range []string{"type", "requires_ack"} {
		if value, present := b[name]; present && value == nil {
			return false
		}
	}
	return filled(b["world_id"]) && orNull[string](b, "run_id", "idempotency_key") && oneOf(b["type"], "ActivationUpdated") &&
		orNull[bool](b, "requires_ack") && oneOf(b["phase"], "freeze", "unfreeze") && goodEntry(b)
}

func entryOf(b map[string]any) Entry {
	frozen := b["freeze"] == true || b["drain"] == true || b["phase"] == "freeze"
	return Entry{frozen: frozen, active: b["active"] == true}
}

// Snapshot is an answer that is complete enough to re-base a stream.
type Snapshot struct {
	world, run, hash string
	seq              Seq
	entries          map[Slot]Entry
}

func parseSnapshot(raw []byte) (*Snapshot, error) {
	if !utf8.Valid(raw) || tooDeep(raw) || !json.Valid(raw) {
		return nil, errors.New("no JSON")
	}
	body, err := decode(raw)
	if err != nil {
		return nil, err
	}
	seq, ok := whole(body["sequence"])
	state, isObject := body["state"].(map[string]any)
	if !ok || !isObject || !filled(body["world_id"]) || !filled(body["run_id"]) || !filled(body["state_hash"]) {
		return nil, errors.New("incomplete")
	}
	s := &Snapshot{seq: seq, entries: map[Slot]Entry{}}
	s.world, s.run, s.hash = body["world_id"].(string), body["run_id"].(string), body["state_hash"].(string)
	for strategy, value := range state {
		sides, ok := value.(map[string]any)
		if !ok {
			return nil, errors.New("odd state")
		}
		for side, value := range sides {
			entry, ok := value.(map[string]any)
			if !ok || !goodEntry(entry) {
				return nil, errors.New("odd entry")
			}
			s.entries[Slot{strategy, side}] = entryOf(entry)
		}
	}
	return s, nil
}

// Ack is one record for the ACK topic. A repetition has the same value.
type Ack struct {
	seq      Seq
	value    []byte
	received time.Time
}

func ackOf(e *Event, now time.Time) *Ack {
	key := fmt.Sprintf("activation_ack:%s:%s:%s:%s:%s", e.world, e.run, e.seq, e.phase, e.version)
	stamp := now.UTC().Format(time.RFC3339Nano)
	value := envelope("activation_ack", key, stamp, map[string]any{
		"type": "ActivationAck", "version": json.Number(e.version), "world_id": e.world, "run_id": e.run,
		"sequence": json.Number(e.seq), "phase": e.phase, "etag": e.etag, "ts": e.ts, "ack_ts": stamp, "idempotency_key": key,
	})
	return &Ack{seq: e.seq, value: value, received: e.received}
}

func frameOf(e *Event, now time.Time) []byte {
	id := fmt.Sprintf("%s:%s:%s", e.world, e.run, e.seq)
	return envelope("activation_updated", id, now.UTC().Format(time.RFC3339Nano), e.raw)
}

func envelope(kind, id, stamp string, data any) []byte {
	value, err := json.Marshal(map[string]any{
		"specversion": "1.0", "id": id, "source": "/gateways/go", "type": kind, "time": stamp,
		"datacontenttype": "application/json", "data": data,
	})
	if err != nil {
		panic(err) // everything in it was read as JSON before
	}
	return value
}
