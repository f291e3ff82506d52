// What Pion, from Debian's golang-github-pion-webrtc.v3-dev, offers and answers, as JSON: see capture.mjs.
package main

import (
	"encoding/json"
	"log"
	"os"

	"github.com/pion/webrtc"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func peer() *webrtc.PeerConnection {
	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	check(err)
	return pc
}

func describe(out map[string]string, name string, prepare func(*webrtc.PeerConnection)) {
	a, b := peer(), peer()
	prepare(a)
	offer, err := a.CreateOffer(nil)
	check(err)
	gathered := webrtc.GatheringCompletePromise(a)
	check(a.SetLocalDescription(offer))
	<-gathered
	out[name+"-offer"] = a.LocalDescription().SDP
	check(b.SetRemoteDescription(*a.LocalDescription()))
	answer, err := b.CreateAnswer(nil)
	check(err)
	gathered = webrtc.GatheringCompletePromise(b)
	check(b.SetLocalDescription(answer))
	<-gathered
	out[name+"-answer"] = b.LocalDescription().SDP
	check(a.Close())
	check(b.Close())
}

func main() {
	out := map[string]string{}
	channel := func(pc *webrtc.PeerConnection) {
		_, err := pc.CreateDataChannel("test", nil)
		check(err)
	}
	describe(out, "data", channel)
	describe(out, "call", func(pc *webrtc.PeerConnection) {
		for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
			_, err := pc.AddTransceiverFromKind(kind)
			check(err)
		}
		channel(pc)
	})
	check(json.NewEncoder(os.Stdout).Encode(out))
}
