package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A link stands between one target and the brokers, whatever they are. It passes Kafka frames on unchanged, save that it
// puts its own addresses where a broker gives those of brokers. A fault of it hurts this one target and nobody else.

const (
	largestFrame    = 64 << 20
	dialTimeout     = 5 * time.Second
	produceKey      = 0
	apiVersionsKey  = 18
	requestTimedOut = 7
)

// What a link can do to its target: to all that passes (down, hung, slow), or to what the target publishes.
const (
	faultDown        = "down"        // every connection is cut, new ones too
	faultHung        = "hung"        // connections stay, nothing passes
	faultSlow        = "slow"        // every frame takes so many ms
	faultReject      = "reject"      // the broker seems to refuse each record with an error
	faultUnconfirmed = "unconfirmed" // records are appended, and a timeout is reported
	faultLost        = "lost"        // the connection is cut before the record reaches the broker
	faultCut         = "cut"         // the connection is cut when the record was appended
	faultLate        = "late"        // records reach the broker so many ms later
	faultHeld        = "held"        // records do not reach the broker until the fault ends
)

type fault struct {
	kind  string
	pause time.Duration
	code  int16
	over  chan struct{} // closed when the fault ends
}

type link struct {
	host, advertised string
	mu               sync.Mutex
	fault            fault
	hits             int
	places           map[string]*place // by the broker's own address
	pairs            map[*pair]struct{}
}

// place is the listener that stands for one broker.
type place struct {
	upstream string
	port     int32
}

// expected is one answer that the target waits for, in order; own is set when the link answers by itself.
type expected struct {
	key, version int16
	flexible     bool
	own          []byte
}

// pair is one connection of the target and the one to the broker that belongs to it.
type pair struct {
	link           *link
	target, broker net.Conn
	mu             sync.Mutex
	waiting        []expected
}

func runLink(host, advertised, upstream string) error {
	l := &link{host: host, advertised: advertised, places: map[string]*place{}, pairs: map[*pair]struct{}{}}
	p, err := l.place(upstream)
	if err != nil {
		return err
	}
	return obey(net.JoinHostPort(advertised, strconv.Itoa(int(p.port))), l.do)
}

func (l *link) do(c command) answer {
	reply := answer{ID: c.ID}
	var err error
	switch c.Do {
	case "begin":
		err = l.begin(fault{kind: c.Fault, pause: time.Duration(c.Millis) * time.Millisecond, code: c.Error})
	case "end":
		reply.Hits = l.end()
	case "hits":
		l.mu.Lock()
		reply.Hits = l.hits
		l.mu.Unlock()
	default:
		err = fmt.Errorf("unknown command %q", c.Do)
	}
	if err != nil {
		reply.Error = err.Error()
	}
	return reply
}

func (l *link) begin(f fault) error {
	switch f.kind {
	case faultDown, faultHung, faultSlow, faultReject, faultUnconfirmed, faultLost, faultCut, faultLate, faultHeld:
	default:
		return fmt.Errorf("unknown fault %q", f.kind)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fault.kind != "" {
		return fmt.Errorf("the fault %q has not ended yet", l.fault.kind)
	}
	f.over = make(chan struct{})
	l.fault, l.hits = f, 0
	if f.kind == faultDown {
		for p := range l.pairs {
			l.hits++
			p.cut()
		}
	}
	return nil
}

func (l *link) end() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fault.kind != "" {
		close(l.fault.over)
	}
	l.fault = fault{}
	return l.hits
}

// struck returns the present fault if it is one of these, and counts that it was felt.
func (l *link) struck(kinds ...string) (fault, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, kind := range kinds {
		if l.fault.kind == kind {
			l.hits++
			return l.fault, true
		}
	}
	return fault{}, false
}

// place listens for the broker of that address, from the first time that it is named.
func (l *link) place(upstream string) (*place, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p, ok := l.places[upstream]; ok {
		return p, nil
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(l.host, "0"))
	if err != nil {
		return nil, err
	}
	p := &place{upstream: upstream, port: int32(listener.Addr().(*net.TCPAddr).Port)}
	l.places[upstream] = p
	go l.accept(listener, p)
	return p, nil
}

func (l *link) accept(listener net.Listener, p *place) {
	for {
		target, err := listener.Accept()
		if err != nil {
			return
		}
		if _, down := l.struck(faultDown); down {
			reset(target)
			continue
		}
		go l.serve(target, p)
	}
}

func (l *link) serve(target net.Conn, p *place) {
	broker, err := net.DialTimeout("tcp", p.upstream, dialTimeout)
	if err != nil {
		reset(target)
		return
	}
	both := &pair{link: l, target: target, broker: broker}
	l.mu.Lock()
	l.pairs[both] = struct{}{}
	l.mu.Unlock()
	done := make(chan struct{}, 2)
	go func() { both.forth(); done <- struct{}{} }()
	go func() { both.back(); done <- struct{}{} }()
	<-done
	both.cut()
	<-done
	l.mu.Lock()
	delete(l.pairs, both)
	l.mu.Unlock()
}

func (p *pair) cut() {
	reset(p.target)
	reset(p.broker)
}

func reset(connection net.Conn) {
	if tcp, ok := connection.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = connection.Close()
}

// linger lets a frame feel the faults that concern all frames.
func (l *link) linger() {
	if f, hung := l.struck(faultHung); hung {
		<-f.over
	}
	if f, slow := l.struck(faultSlow); slow {
		select {
		case <-time.After(f.pause):
		case <-f.over:
		}
	}
}

// forth carries requests to the broker.
func (p *pair) forth() {
	for {
		frame, err := readFrame(p.target)
		if err != nil {
			return
		}
		p.link.linger()
		if !p.request(frame) {
			return
		}
	}
}

// request handles one request; false when the connection is over.
func (p *pair) request(frame []byte) bool {
	r, err := readRequest(frame)
	if err != nil {
		return false
	}
	if r.key != produceKey {
		p.expect(expected{key: r.key, version: r.version, flexible: r.flexible})
		return writeFrame(p.broker, frame) == nil
	}
	if _, lost := p.link.struck(faultLost); lost {
		return false
	}
	if f, late := p.link.struck(faultLate, faultHeld); late {
		if f.kind == faultHeld {
			<-f.over
		} else {
			time.Sleep(f.pause)
		}
	}
	if f, reject := p.link.struck(faultReject); reject {
		if own, wanted := refusal(r, f.code); wanted {
			return p.expect(expected{own: own}) == nil
		}
		return true
	}
	if r.answered {
		p.expect(expected{key: r.key, version: r.version, flexible: r.flexible})
	}
	return writeFrame(p.broker, frame) == nil
}

// expect notes what the target waits for, and sends what the link has answered by itself as soon as it is its turn.
func (p *pair) expect(e expected) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = append(p.waiting, e)
	return p.ownAnswers()
}

func (p *pair) ownAnswers() error {
	for len(p.waiting) > 0 && p.waiting[0].own != nil {
		if err := writeFrame(p.target, p.waiting[0].own); err != nil {
			return err
		}
		p.waiting = p.waiting[1:]
	}
	return nil
}

// back carries answers to the target.
func (p *pair) back() {
	for {
		frame, err := readFrame(p.broker)
		if err != nil {
			return
		}
		p.link.linger()
		if p.response(frame) != nil {
			return
		}
	}
}

func (p *pair) response(frame []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 {
		return errors.New("an answer to no request")
	}
	e := p.waiting[0]
	p.waiting = p.waiting[1:]
	if e.key == produceKey {
		if _, cut := p.link.struck(faultCut); cut {
			return errors.New("cut")
		}
	}
	changed, err := p.rewritten(frame, e)
	if err != nil {
		return err
	}
	if err := writeFrame(p.target, changed); err != nil {
		return err
	}
	return p.ownAnswers()
}

// rewritten puts the addresses of the link where the broker gives its own, and errors where a fault wants them.
func (p *pair) rewritten(frame []byte, e expected) ([]byte, error) {
	request := kmsg.RequestForKey(e.key)
	if request == nil {
		return frame, nil
	}
	head := 4
	if e.flexible && e.key != apiVersionsKey {
		head = 5 // tagged fields of the header: brokers send none
	}
	response := request.ResponseKind()
	response.SetVersion(e.version)
	switch response.(type) {
	case *kmsg.MetadataResponse, *kmsg.FindCoordinatorResponse, *kmsg.DescribeClusterResponse:
	case *kmsg.ProduceResponse:
		if _, unconfirmed := p.link.struck(faultUnconfirmed); !unconfirmed {
			return frame, nil
		}
	default:
		return frame, nil
	}
	if len(frame) < head {
		return nil, io.ErrUnexpectedEOF
	}
	if err := response.ReadFrom(frame[head:]); err != nil {
		return nil, err
	}
	if err := p.link.readdress(response); err != nil {
		return nil, err
	}
	return response.AppendTo(append([]byte{}, frame[:head]...)), nil
}

func (l *link) readdress(response kmsg.Response) error {
	var failed error
	move := func(host *string, port *int32) {
		if *host == "" || *port <= 0 {
			return
		}
		p, err := l.place(net.JoinHostPort(*host, strconv.Itoa(int(*port))))
		if err != nil {
			failed = err
			return
		}
		*host, *port = l.advertised, p.port
	}
	switch r := response.(type) {
	case *kmsg.MetadataResponse:
		for i := range r.Brokers {
			move(&r.Brokers[i].Host, &r.Brokers[i].Port)
		}
	case *kmsg.FindCoordinatorResponse:
		move(&r.Host, &r.Port)
		for i := range r.Coordinators {
			move(&r.Coordinators[i].Host, &r.Coordinators[i].Port)
		}
	case *kmsg.DescribeClusterResponse:
		for i := range r.Brokers {
			move(&r.Brokers[i].Host, &r.Brokers[i].Port)
		}
	case *kmsg.ProduceResponse:
		for i := range r.Topics {
			for j := range r.Topics[i].Partitions {
				r.Topics[i].Partitions[j].ErrorCode = requestTimedOut
			}
		}
	}
	return failed
}

// request is what the link reads of one: the header, and for produce requests the body.
type request struct {
	key, version int16
	correlation  int32
	flexible     bool
	answered     bool
	produce      *kmsg.ProduceRequest
}

func readRequest(frame []byte) (request, error) {
	if len(frame) < 10 {
		return request{}, io.ErrUnexpectedEOF
	}
	r := request{
		key:         int16(binary.BigEndian.Uint16(frame)),
		version:     int16(binary.BigEndian.Uint16(frame[2:])),
		correlation: int32(binary.BigEndian.Uint32(frame[4:])),
		answered:    true,
	}
	known := kmsg.RequestForKey(r.key)
	if known == nil {
		return r, nil
	}
	known.SetVersion(r.version)
	r.flexible = known.IsFlexible()
	produce, ok := known.(*kmsg.ProduceRequest)
	if !ok {
		return r, nil
	}
	body, err := afterHeader(frame, r.flexible)
	if err != nil {
		return r, err
	}
	if err := produce.ReadFrom(body); err != nil {
		return r, err
	}
	r.produce, r.answered = produce, produce.Acks != 0
	return r, nil
}

// afterHeader skips key, version, correlation id, client id and tagged fields.
func afterHeader(frame []byte, flexible bool) ([]byte, error) {
	length := int(int16(binary.BigEndian.Uint16(frame[8:])))
	rest := frame[10:]
	if length > 0 {
		if len(rest) < length {
			return nil, io.ErrUnexpectedEOF
		}
		rest = rest[length:]
	}
	if !flexible {
		return rest, nil
	}
	count, n := binary.Uvarint(rest)
	if n <= 0 {
		return nil, io.ErrUnexpectedEOF
	}
	for rest = rest[n:]; count > 0; count-- {
		_, n := binary.Uvarint(rest)
		if n <= 0 {
			return nil, io.ErrUnexpectedEOF
		}
		size, m := binary.Uvarint(rest[n:])
		if m <= 0 || uint64(len(rest)-n-m) < size {
			return nil, io.ErrUnexpectedEOF
		}
		rest = rest[n+m+int(size):]
	}
	return rest, nil
}

// refusal is the answer of a broker that has refused every record; false if the target wants no answer.
func refusal(r request, code int16) ([]byte, bool) {
	if r.produce == nil || !r.answered {
		return nil, false
	}
	response := r.produce.ResponseKind().(*kmsg.ProduceResponse)
	response.SetVersion(r.version)
	for _, topic := range r.produce.Topics {
		refused := kmsg.NewProduceResponseTopic()
		refused.Topic, refused.TopicID = topic.Topic, topic.TopicID
		for _, partition := range topic.Partitions {
			p := kmsg.NewProduceResponseTopicPartition()
			p.Partition, p.ErrorCode, p.BaseOffset, p.LogAppendTime, p.LogStartOffset = partition.Partition, code, -1, -1, -1
			refused.Partitions = append(refused.Partitions, p)
		}
		response.Topics = append(response.Topics, refused)
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(r.correlation))
	if r.flexible {
		head = append(head, 0)
	}
	return response.AppendTo(head), true
}

func readFrame(from io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(from, size[:]); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(size[:])
	if length > largestFrame {
		return nil, fmt.Errorf("a frame of %d bytes", length)
	}
	frame := make([]byte, length)
	_, err := io.ReadFull(from, frame)
	return frame, err
}

func writeFrame(to io.Writer, frame []byte) error {
	whole := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(frame)), uint32(len(frame)))
	_, err := to.Write(append(whole, frame...))
	return err
}
