// Pion, from Debian's golang-github-pion-webrtc.v3-dev: see exchange.mjs for the argument and the output.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/pion/webrtc"
)

type task struct {
	URL        string `json:"url"`
	Username   string `json:"username"`
	Credential string `json:"credential"`
	Messages   int    `json:"messages"`
	Size       int    `json:"size"`
}

type result struct {
	Candidates []string `json:"candidates"`
	Received   int      `json:"received"`
	Intact     bool     `json:"intact"`
	Ms         int64    `json:"ms"`
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func message(side, n, size int) []byte {
	return bytes.Repeat([]byte{byte((side*100 + n) % 251)}, size)
}

func expected(side int, t task) []byte {
	hash := sha256.New()
	for n := 0; n < t.Messages; n++ {
		hash.Write(message(side, n, t.Size))
	}
	return hash.Sum(nil)
}

// converse sends all messages once the channel is open, and tells what arrived when as many have arrived.
func converse(channel *webrtc.DataChannel, side int, t task, done chan<- bool) {
	hash := sha256.New()
	received := 0
	channel.OnMessage(func(m webrtc.DataChannelMessage) {
		hash.Write(m.Data)
		received++
		if received == t.Messages {
			done <- bytes.Equal(hash.Sum(nil), expected(3-side, t))
		}
	})
	channel.OnOpen(func() {
		for n := 0; n < t.Messages; n++ {
			must(channel.Send(message(side, n, t.Size)))
		}
	})
}

func describe(peer *webrtc.PeerConnection, description webrtc.SessionDescription) webrtc.SessionDescription {
	gathered := webrtc.GatheringCompletePromise(peer)
	must(peer.SetLocalDescription(description))
	<-gathered
	return *peer.LocalDescription()
}

func main() {
	var t task
	must(json.Unmarshal([]byte(os.Args[1]), &t))
	start := time.Now()
	config := webrtc.Configuration{
		ICEServers:         []webrtc.ICEServer{{URLs: []string{t.URL}, Username: t.Username, Credential: t.Credential}},
		ICETransportPolicy: webrtc.ICETransportPolicyRelay,
	}
	a, err := webrtc.NewPeerConnection(config)
	must(err)
	b, err := webrtc.NewPeerConnection(config)
	must(err)
	var lock sync.Mutex
	candidates := []string{}
	for _, peer := range []*webrtc.PeerConnection{a, b} {
		peer.OnICECandidate(func(c *webrtc.ICECandidate) {
			lock.Lock()
			defer lock.Unlock()
			if c != nil {
				candidates = append(candidates, c.Typ.String())
			}
		})
	}
	done := make(chan bool, 2)
	b.OnDataChannel(func(channel *webrtc.DataChannel) { converse(channel, 2, t, done) })
	channel, err := a.CreateDataChannel("test", nil)
	must(err)
	converse(channel, 1, t, done)

	offer, err := a.CreateOffer(nil)
	must(err)
	must(b.SetRemoteDescription(describe(a, offer)))
	answer, err := b.CreateAnswer(nil)
	must(err)
	must(a.SetRemoteDescription(describe(b, answer)))

	intact := <-done && <-done
	lock.Lock()
	defer lock.Unlock()
	out, err := json.Marshal(result{candidates, 2 * t.Messages, intact, time.Since(start).Milliseconds()})
	must(err)
	fmt.Println(string(out))
}
