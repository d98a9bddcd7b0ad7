// Command ackgap-broker is the kit's embedded broker: a fake Kafka in one process, steered over stdin.
//
// It prints one JSON line with its address, then answers one JSON line per command line. It ends when stdin closes, so
// it never outlives the process that started it. It listens on loopback, or on the one address given as its argument, and
// creates no topic by itself. As `ackgap-broker HOST PORT FOLDER` it keeps its log in the folder, so that it can be killed and
// started again at the same port. As `ackgap-broker link HOST ADVERTISED BROKER` it is a link instead: a proxy with faults in
// front of any Kafka, for one target alone.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const longestCommand = 1 << 20

// A run needs a few MiB a topic. Whoever floods a topic loses its oldest records instead of filling the memory.
const (
	retentionBytes = "16777216"
	cleanerMillis  = "200"
	memoryLimit    = 256 << 20
)

type command struct {
	ID         int     `json:"id"`
	Do         string  `json:"do"`
	Topic      string  `json:"topic"`
	Partitions int32   `json:"partitions"`
	Group      string  `json:"group"`
	Keys       []int16 `json:"keys"`
	Error      int16   `json:"error"`
	Count      int     `json:"count"`
	Millis     int     `json:"ms"`
	Fault      string  `json:"fault"`
}

type answer struct {
	ID         int              `json:"id"`
	Error      string           `json:"error,omitempty"`
	Partitions []partitionState `json:"partitions,omitempty"`
	Hits       int              `json:"hits,omitempty"`
}

type partitionState struct {
	Partition int32 `json:"partition"`
	Start     int64 `json:"start"`
	End       int64 `json:"end"`
}

type broker struct {
	cluster *kfake.Cluster
	faults  []*kfake.FaultHandle
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "ackgap-broker:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) == 5 && os.Args[1] == "link" {
		return runLink(os.Args[2], os.Args[3], os.Args[4])
	}
	debug.SetMemoryLimit(memoryLimit)
	host := "127.0.0.1"
	if len(os.Args) > 1 {
		host = os.Args[1]
	}
	port, options := "0", []kfake.Opt{}
	if len(os.Args) == 4 {
		port = os.Args[2]
		options = append(options, kfake.DataDir(os.Args[3]))
	}
	listen := func(network, _ string) (net.Listener, error) {
		return net.Listen(network, net.JoinHostPort(host, port))
	}
	options = append(options, kfake.NumBrokers(1), kfake.Ports(0), kfake.ListenFn(listen),
		kfake.BrokerConfigs(map[string]string{"log.cleaner.backoff.ms": cleanerMillis}))
	cluster, err := kfake.NewCluster(options...)
	if err != nil {
		return err
	}
	defer cluster.Close()
	b := &broker{cluster: cluster}
	return obey(cluster.ListenAddrs()[0], b.do)
}

// obey prints the address, then answers one command per line until stdin closes.
func obey(bootstrap string, do func(command) answer) error {
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(map[string]string{"bootstrap": bootstrap}); err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 0, 4096), longestCommand)
	for lines.Scan() {
		var c command
		reply := answer{}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			reply.Error = "not a command: " + err.Error()
		} else {
			reply = do(c)
		}
		if err := out.Encode(reply); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (b *broker) do(c command) answer {
	reply := answer{ID: c.ID}
	var err error
	switch c.Do {
	case "create_topic":
		err = b.cluster.CreateTopic(c.Topic, c.Partitions, map[string]string{"retention.bytes": retentionBytes})
	case "delete_topic":
		err = b.cluster.DeleteTopic(c.Topic)
	case "state":
		for _, p := range b.cluster.PartitionInfos(c.Topic) {
			reply.Partitions = append(reply.Partitions, partitionState{p.Partition, p.LogStartOffset, p.HighWatermark})
		}
	case "fault":
		b.faults = append(b.faults, b.cluster.Fault(kfake.Fault{
			Keys: keys(c.Keys), Topic: c.Topic, Group: c.Group, Err: kerr.TypedErrorForCode(c.Error), Count: c.Count,
		}))
	case "clear":
		for _, f := range b.faults {
			reply.Hits += f.Hits()
			f.Remove()
		}
		b.faults = nil
	case "delay":
		b.delay(c.Keys, time.Duration(c.Millis)*time.Millisecond)
	case "delay_off":
		b.cluster.DropControl()
	default:
		err = fmt.Errorf("unknown command %q", c.Do)
	}
	if err != nil {
		reply.Error = err.Error()
	}
	return reply
}

// delay holds every request of these keys back for a while before it is handled as usual.
func (b *broker) delay(wanted []int16, pause time.Duration) {
	for _, key := range wanted {
		b.cluster.ControlKey(key, func(kmsg.Request) (kmsg.Response, error, bool) {
			b.cluster.KeepControl()
			b.cluster.SleepControl(func() { time.Sleep(pause) })
			return nil, nil, false
		})
	}
}

func keys(numbers []int16) []kmsg.Key {
	found := make([]kmsg.Key, 0, len(numbers))
	for _, number := range numbers {
		found = append(found, kmsg.Key(number))
	}
	return found
}
