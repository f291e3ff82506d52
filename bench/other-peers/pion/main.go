// Bulk data over one channel, one way, reliable and ordered, between two peers of Pion in this process, with sockets on
// this machine: what `cargo xtask bench datachannel` sets ours beside. From Debian's golang-github-pion-webrtc.v3-dev.
//
// `pion-pair BYTES MILLIS` prints one JSON object with the fields of `dc-load bulk`.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pion/webrtc"
)

// Bytes given to the channel ahead of what was sent, and when to go on: as in Pion's own example of flow control.
const (
	ahead = 1 << 20
	low   = 512 << 10
)

// What Pion 3.1 reads a message into; a longer one ends the channel.
const longest = 65_535

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func cpu() time.Duration {
	var used syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// trickle gives each side the other's candidates once both have both descriptions.
func trickle(from, to *webrtc.PeerConnection, described <-chan struct{}) {
	from.OnICECandidate(func(candidate *webrtc.ICECandidate) {
		if candidate == nil {
			return
		}
		go func() {
			<-described
			must(to.AddICECandidate(candidate.ToJSON()))
		}()
	})
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: pion-pair BYTES MILLIS")
		os.Exit(2)
	}
	size, err := strconv.Atoi(os.Args[1])
	must(err)
	millis, err := strconv.Atoi(os.Args[2])
	must(err)
	if size > longest {
		fmt.Fprintf(os.Stderr, "a channel of this Pion reads messages of at most %d bytes\n", longest)
		os.Exit(1)
	}

	begin := time.Now()
	near, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	must(err)
	far, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	must(err)
	described := make(chan struct{})
	trickle(near, far, described)
	trickle(far, near, described)

	var received uint64
	far.OnDataChannel(func(channel *webrtc.DataChannel) {
		channel.OnMessage(func(message webrtc.DataChannelMessage) {
			if len(message.Data) != size {
				panic(fmt.Sprintf("a message came as %d bytes", len(message.Data)))
			}
			atomic.AddUint64(&received, uint64(len(message.Data)))
		})
	})
	channel, err := near.CreateDataChannel("bulk", nil)
	must(err)
	opened := make(chan struct{})
	goOn := make(chan struct{}, 1)
	channel.SetBufferedAmountLowThreshold(low)
	channel.OnBufferedAmountLow(func() {
		select {
		case goOn <- struct{}{}:
		default:
		}
	})
	channel.OnOpen(func() {
		close(opened)
		message := make([]byte, size)
		for {
			must(channel.Send(message))
			if channel.BufferedAmount() > ahead {
				<-goOn
			}
		}
	})

	offer, err := near.CreateOffer(nil)
	must(err)
	must(near.SetLocalDescription(offer))
	must(far.SetRemoteDescription(offer))
	answer, err := far.CreateAnswer(nil)
	must(err)
	must(far.SetLocalDescription(answer))
	must(near.SetRemoteDescription(answer))
	close(described)
	<-opened
	setup := time.Since(begin)

	time.Sleep(time.Duration(millis) * time.Millisecond / 5)
	had, used, start := atomic.LoadUint64(&received), cpu(), time.Now()
	time.Sleep(time.Duration(millis) * time.Millisecond)
	delivered, busy, wall := atomic.LoadUint64(&received)-had, cpu()-used, time.Since(start)
	if delivered == 0 {
		fmt.Fprintln(os.Stderr, "nothing came")
		os.Exit(1)
	}
	gbits := float64(delivered) * 8 / 1e9
	must(json.NewEncoder(os.Stdout).Encode(map[string]interface{}{
		"bytes":           size,
		"gbit_s":          gbits / wall.Seconds(),
		"gbit_s_per_core": gbits / busy.Seconds(),
		"delivered":       delivered,
		"wall_ms":         wall.Milliseconds(),
		"cpu_ms":          busy.Milliseconds(),
		"setup_ms":        setup.Seconds() * 1000,
	}))
}
