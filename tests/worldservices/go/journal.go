package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"sync"
)

// Line is one fact of the journal: a run begins, an event is emitted, the bus has it, the rest of a plan is another, a run ends.
type Line struct {
	Fact   string          `json:"fact"` // begin | event | sent | replan | end
	World  string          `json:"world"`
	Run    string          `json:"run"`
	Digest string          `json:"digest,omitempty"`
	Moves  []Move          `json:"moves,omitempty"`
	FailAt int             `json:"fail_at,omitempty"`
	Freeze int             `json:"freeze,omitempty"` // how many moves freeze
	State  string          `json:"state,omitempty"`
	Ts     string          `json:"ts,omitempty"`
	Why    string          `json:"why,omitempty"`
	Number int             `json:"number,omitempty"`
	Entry  *Entry          `json:"entry,omitempty"`
	Value  json.RawMessage `json:"value,omitempty"`
}

// Book is the journal: JSON lines, only ever appended to.
type Book struct {
	mutex sync.Mutex
	file  *os.File
}

func openBook(path string) (*Book, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	return &Book{file: file}, err
}

// read tells all lines; half a line at the end, of a service that was killed while it wrote, is cut off.
func (b *Book) read(tell func(Line)) error {
	reader, good := bufio.NewReader(b.file), int64(0)
	for {
		text, err := reader.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return err
		}
		var line Line
		if err == io.EOF || json.Unmarshal(bytes.TrimSpace(text), &line) != nil {
			break
		}
		good += int64(len(text))
		tell(line)
	}
	if err := b.file.Truncate(good); err != nil {
		return err
	}
	_, err := b.file.Seek(good, io.SeekStart)
	return err
}

// note appends a line. A disk that fails ends the service: what is not written must not be told.
func (b *Book) note(line Line) {
	text, err := json.Marshal(line)
	if err != nil {
		fail(1, err)
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if _, err := b.file.Write(append(text, '\n')); err != nil {
		fail(1, err)
	}
}
