package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const requestTimeout = 2 * time.Second

// WorldService asks for the truth about a world.
type WorldService struct {
	base   string
	client *http.Client
}

func newWorldService(base string) *WorldService {
	// Without kept connections, because on those net/http repeats a request by itself, beyond the pace that is allowed.
	return &WorldService{base: strings.TrimRight(base, "/"), client: &http.Client{
		Transport:     &http.Transport{Proxy: nil, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (w *WorldService) probe(world string) (string, error) {
	raw, err := w.get(world, "/activation/state_hash")
	if err != nil {
		return "", err
	}
	var answer map[string]any
	if err := json.Unmarshal(raw, &answer); err != nil {
		return "", err
	}
	if hash, ok := answer["state_hash"].(string); ok && hash != "" {
		return hash, nil
	}
	return "", fmt.Errorf("no state_hash")
}

func (w *WorldService) snapshot(world string) (*Snapshot, error) {
	raw, err := w.get(world, "/activation")
	if err != nil {
		return nil, err
	}
	return parseSnapshot(raw)
}

func (w *WorldService) get(world, path string) ([]byte, error) {
	segment := url.PathEscape(world)
	if strings.Trim(world, ".") == "" {
		segment = strings.ReplaceAll(world, ".", "%2E") // else it would be taken for a relative path
	}
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.base+"/worlds/"+segment+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := w.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", response.StatusCode)
	}
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxPayload+1))
	if err == nil && len(raw) > maxPayload {
		err = fmt.Errorf("too large")
	}
	return raw, err
}

// resync runs one attempt: probe, and if the hashes differ the snapshot. The gate stays closed all the while.
func (g *Gateway) resync(s *Stream, attempt int) {
	result := g.tryResync(s, attempt)
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.resyncing--
	g.metrics.add(`resync_attempts_total{result="` + result + `"}`)
	s.later(attempt, time.Now()) // unless the attempt is over already
	g.sweep()
}

func (g *Gateway) tryResync(s *Stream, attempt int) string {
	probed, err := g.truth.probe(s.world)
	if err != nil {
		return "probe_failed"
	}
	g.mutex.Lock()
	wanted, mended := s.diverged(attempt, probed), s.attempt != attempt
	g.mutex.Unlock()
	if mended {
		return "not_needed"
	}
	if !wanted {
		return "equal" // the missing event is waited for, and the hash asked for again
	}
	snap, err := g.truth.snapshot(s.world)
	if err != nil {
		return "snapshot_failed"
	}
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if s.attempt != attempt {
		return "not_needed"
	}
	if snap.world == s.world && snap.run != s.run {
		g.retire(s, snap.run)
	}
	taken, further := s.accept(attempt, probed, snap, time.Now())
	if !taken {
		return "refused"
	}
	if further {
		g.metrics.add("gaps_total")
	}
	g.forgetHolds(s)
	g.dirty[s] = true
	return "accepted"
}
