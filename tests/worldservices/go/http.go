package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const maxBody = 256 << 10

// ServeHTTP splits the escaped path before it decodes the ids in it, because they may contain anything.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	if len(parts) == 1 && parts[0] == "health" {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if s.ping(ctx) != nil {
			problem(w, 503, "the bus does not answer")
			return
		}
		w.WriteHeader(204)
		return
	}
	if len(parts) < 3 || parts[0] != "worlds" {
		problem(w, 404, "there is nothing at this path")
		return
	}
	id, err := url.PathUnescape(parts[1])
	last, wrong := url.PathUnescape(parts[len(parts)-1])
	if err != nil || wrong != nil || id == "" {
		problem(w, 404, "there is no such world")
		return
	}
	switch shape := strings.Join(parts[2:], "/"); {
	case shape == "activation/state_hash" && allowed(w, r, "GET"):
		s.probe(w, r, id)
	case shape == "activation" && allowed(w, r, "GET"):
		s.activation(w, r, id)
	case shape == "apply" && allowed(w, r, "POST"):
		s.begin(w, r, id)
	case len(parts) == 4 && parts[2] == "apply" && last != "" && allowed(w, r, "GET", "DELETE"):
		s.ofRun(w, r, id, last)
	case shape == "activation/state_hash" || shape == "activation" || shape == "apply" || len(parts) == 4 && parts[2] == "apply":
	default:
		problem(w, 404, "there is nothing at this path")
	}
}

func allowed(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	for _, method := range methods {
		if r.Method == method {
			return true
		}
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	problem(w, 405, "allowed are "+strings.Join(methods, " and "))
	return false
}

func (s *Service) probe(w http.ResponseWriter, r *http.Request, id string) {
	world := s.world(id, false)
	if world == nil {
		problem(w, 404, "no such world")
		return
	}
	world.mutex.Lock()
	hash := hashOf(world.entries)
	world.mutex.Unlock()
	answer(w, r, 200, hash, map[string]any{"state_hash": hash})
}

func (s *Service) activation(w http.ResponseWriter, r *http.Request, id string) {
	query := r.URL.Query()
	world := s.world(id, false)
	one := query.Has("strategy_id") || query.Has("side")
	if one && (query.Get("strategy_id") == "" || query.Get("side") == "") {
		problem(w, 400, "strategy_id and side go together")
		return
	}
	if world == nil {
		problem(w, 404, "no such world")
		return
	}
	world.mutex.Lock()
	defer world.mutex.Unlock()
	if one {
		value, known := world.last[Slot{query.Get("strategy_id"), query.Get("side")}]
		if !known {
			problem(w, 404, "no such entry")
			return
		}
		document := enveloped(value)
		answer(w, r, 200, fmt.Sprint(document["id"]), document)
		return
	}
	state := map[string]map[string]Entry{}
	for slot, entry := range world.entries {
		if state[slot.Strategy] == nil {
			state[slot.Strategy] = map[string]Entry{}
		}
		state[slot.Strategy][slot.Side] = entry
	}
	document := map[string]any{"world_id": id, "state_hash": hashOf(world.entries), "state": state, "etag": fmt.Sprint(world.number)}
	if world.ts != "" {
		document["ts"] = world.ts
	}
	if world.run != nil {
		document["run_id"], document["sequence"] = world.run.id, world.run.done
	}
	answer(w, r, 200, fmt.Sprintf("%d.%s", world.number, document["state_hash"]), document)
}

func (s *Service) begin(w http.ResponseWriter, r *http.Request, id string) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		problem(w, 413, "at most 256 KiB are read")
		return
	}
	request, err := readRequest(text)
	if err != nil {
		problem(w, 400, err.Error())
		return
	}
	if request.Run == "" {
		name := make([]byte, 8)
		_, _ = rand.Read(name)
		request.Run = hex.EncodeToString(name)
	}
	world, run, status := s.apply(id, text, request)
	if status == 409 {
		problem(w, 409, "another apply of the world is in progress, or the run exists with another content")
		return
	}
	w.Header().Set("Location", "/worlds/"+url.PathEscape(id)+"/apply/"+url.PathEscape(run.id))
	told(w, r, status, world, run)
}

// ofRun tells of one run, or gives it up.
func (s *Service) ofRun(w http.ResponseWriter, r *http.Request, id, name string) {
	world := s.world(id, false)
	if world == nil {
		problem(w, 404, "no such world")
		return
	}
	world.mutex.Lock()
	run := world.runs[name]
	over := run != nil && (run.ended() || run.state == "rolling_back")
	if run != nil && !over && r.Method == "DELETE" {
		run.aborted = true
	}
	world.mutex.Unlock()
	switch {
	case run == nil:
		problem(w, 404, "no such run")
	case r.Method == "DELETE" && over:
		problem(w, 409, "the run has ended, or is rolled back already")
	case r.Method == "DELETE":
		told(w, r, 202, world, run)
	default:
		told(w, r, 200, world, run)
	}
}

func told(w http.ResponseWriter, r *http.Request, status int, world *World, run *Run) {
	world.mutex.Lock()
	document := map[string]any{"world_id": world.id, "run_id": run.id, "state": run.state, "emitted": run.done}
	if run.why != "" {
		document["failure"] = run.why
	}
	if run.ended() {
		document["ended"] = run.end
	}
	world.mutex.Unlock()
	answer(w, r, status, "", document)
}

// answer is JSON with its tag, or 304 where the caller knows that tag.
func answer(w http.ResponseWriter, r *http.Request, status int, tag string, document any) {
	if tag != "" {
		quoted := `"` + tag + `"`
		w.Header().Set("ETag", quoted)
		for known := range strings.SplitSeq(strings.Join(r.Header.Values("If-None-Match"), ","), ",") {
			if known = strings.TrimPrefix(strings.TrimSpace(known), "W/"); known == "*" || known == quoted {
				w.WriteHeader(304)
				return
			}
		}
	}
	write(w, status, "application/json", document)
}

func problem(w http.ResponseWriter, status int, detail string) {
	write(w, status, "application/problem+json", map[string]any{
		"type": "about:blank", "title": http.StatusText(status), "status": status, "detail": detail,
	})
}

func write(w http.ResponseWriter, status int, kind string, document any) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(document)
}
