package main

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode/utf8"
)

// Slot names an entry of a world.
type Slot struct {
	Strategy string `json:"strategy"`
	Side     string `json:"side"`
}

// Entry is what an entry is set to, as events and snapshots show it.
type Entry struct {
	Active bool    `json:"active"`
	Weight float64 `json:"weight"`
	Freeze bool    `json:"freeze"`
	Drain  bool    `json:"drain"`
	Mode   string  `json:"effective_mode"`
	Domain string  `json:"execution_domain"`
	Etag   string  `json:"etag"`
	Ts     string  `json:"ts"`
}

// Move is one event that a run has emitted or will emit.
type Move struct {
	Phase string `json:"phase"`
	Slot  Slot   `json:"slot"`
	Entry Entry  `json:"entry"`
}

// Body is an ActivationUpdated event, published flat.
type Body struct {
	Type     string `json:"type,omitempty"`
	Version  int    `json:"version"`
	World    string `json:"world_id"`
	Run      string `json:"run_id"`
	Strategy string `json:"strategy_id"`
	Side     string `json:"side"`
	Entry
	Hash     string `json:"state_hash"`
	Phase    string `json:"phase"`
	Ack      bool   `json:"requires_ack"`
	Sequence int    `json:"sequence"`
	Key      string `json:"idempotency_key"`
}

// Request is what an apply is asked with.
type Request struct {
	Run     string   `json:"run_id"`
	Mode    string   `json:"mode"`
	Entries []Change `json:"entries"`
	Fail    *struct {
		Phase    string `json:"fail"`
		After    int    `json:"after"`
		SwitchMs int    `json:"switch_ms"`
	} `json:"rehearse"`
}

// Change is one entry of a request; what is nil stays.
type Change struct {
	Strategy string   `json:"strategy_id"`
	Side     string   `json:"side"`
	Active   *bool    `json:"active"`
	Weight   *float64 `json:"weight"`
	Mode     *string  `json:"effective_mode"`
	Domain   *string  `json:"execution_domain"`
}

var (
	modes   = []string{"validate", "compute-only", "paper", "live", "shadow"}
	domains = []string{"backtest", "dryrun", "live", "shadow"}
	phases  = []string{"", "freeze", "switch", "unfreeze"}
)

func readRequest(text []byte) (Request, error) {
	var r Request
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		return r, fmt.Errorf("the body cannot be read: %w", err)
	}
	if decoder.More() || !utf8.Valid(text) {
		return r, errors.New("the body is not one JSON document in UTF-8")
	}
	if len(r.Entries) == 0 || len(r.Entries) > 200 {
		return r, errors.New("entries: expected 1 to 200 of them")
	}
	if r.Mode != "" && r.Mode != "freeze" && r.Mode != "drain" {
		return r, errors.New("mode: expected freeze or drain")
	}
	if r.Fail != nil && (!slices.Contains(phases, r.Fail.Phase) || r.Fail.After < 0) {
		return r, errors.New("rehearse: expected fail as freeze, switch or unfreeze, and after from 1 on")
	}
	known := map[Slot]bool{}
	for i, e := range r.Entries {
		slot := Slot{e.Strategy, e.Side}
		switch {
		case e.Strategy == "" || len(e.Strategy) > 2048 || e.Side != "long" && e.Side != "short":
			return r, fmt.Errorf("entries/%d: expected a strategy_id, and long or short as side", i)
		case known[slot]:
			return r, fmt.Errorf("entries/%d: stands twice", i)
		case e.Weight != nil && (*e.Weight < 0 || *e.Weight > 1):
			return r, fmt.Errorf("entries/%d: expected a weight from 0 to 1", i)
		case e.Mode != nil && !slices.Contains(modes, *e.Mode) || e.Domain != nil && !slices.Contains(domains, *e.Domain):
			return r, fmt.Errorf("entries/%d: unknown effective_mode or execution_domain", i)
		}
		known[slot] = true
	}
	return r, nil
}

func digest(text []byte) string {
	var plain any
	_ = json.Unmarshal(text, &plain)
	text, _ = json.Marshal(plain)
	sum := sha1.Sum(text)
	return hex.EncodeToString(sum[:])
}

// hashOf is the token of a state: equal for equal states.
func hashOf(entries map[Slot]Entry) string {
	rows := make([]string, 0, len(entries))
	for slot, e := range entries {
		text, _ := json.Marshal([]any{slot.Strategy, slot.Side, e.Active, e.Weight, e.Freeze, e.Drain, e.Mode, e.Domain})
		rows = append(rows, string(text))
	}
	sort.Strings(rows)
	sum := sha1.Sum([]byte(strings.Join(rows, "\n")))
	return "s1." + hex.EncodeToString(sum[:])
}

func now() string {
	return time.Now().UTC().Format("2006-01-02T15:04:05.000000Z07:00")
}

// enveloped shows a flat event as a CloudEvents envelope.
func enveloped(value json.RawMessage) map[string]any {
	var body Body
	_ = json.Unmarshal(value, &body)
	body.Type = ""
	sum := sha1.Sum(value)
	return map[string]any{
		"specversion": "1.0", "id": hex.EncodeToString(sum[:]), "source": "worldservice/go", "type": "activation_updated",
		"time": body.Ts, "datacontenttype": "application/json", "data": body,
	}
}
