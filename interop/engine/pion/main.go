// Pion, from Debian's golang-github-pion-webrtc.v3-dev: w3c.mjs describes the language.
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"hash/fnv"
	"net"
	"os"
	"strings"
	"sync"

	"github.com/pion/interceptor"
	"github.com/pion/webrtc"
)

type task struct {
	ID                int     `json:"id"`
	Do                string  `json:"do"`
	Label             string  `json:"label"`
	Protocol          string  `json:"protocol"`
	Ordered           *bool   `json:"ordered"`
	MaxRetransmits    *uint16 `json:"maxRetransmits"`
	MaxPacketLifeTime *uint16 `json:"maxPacketLifeTime"`
	SDP               string  `json:"sdp"`
	Candidate         string  `json:"candidate"`
	Mid               string  `json:"mid"`
	Index             uint16  `json:"index"`
	Kind              string  `json:"kind"`
	Data              string  `json:"data"`
	Count             uint32  `json:"count"`
	Video             string  `json:"video"`
	Audio             string  `json:"audio"`
}

type happening map[string]interface{}

type side struct {
	pc       *webrtc.PeerConnection
	lock     sync.Mutex
	channels map[string]*webrtc.DataChannel
	restart  bool
	films    []*film
}

var output sync.Mutex

func tell(h happening) {
	line, err := json.Marshal(h)
	if err != nil {
		panic(err)
	}
	output.Lock()
	defer output.Unlock()
	fmt.Println(string(line))
}

func (s *side) watch(channel *webrtc.DataChannel, remote bool) {
	label := channel.Label()
	s.lock.Lock()
	s.channels[label] = channel
	s.lock.Unlock()
	var sum hash.Hash32
	messages, bytes := uint32(0), 0
	channel.OnMessage(func(m webrtc.DataChannelMessage) {
		switch {
		case m.IsString:
			tell(happening{"event": "message", "label": label, "kind": "text", "data": string(m.Data)})
		case !strings.HasPrefix(label, "flood"):
			tell(happening{"event": "message", "label": label, "kind": "binary", "data": hex.EncodeToString(m.Data)})
		default:
			if messages == 0 {
				sum, bytes = fnv.New32a(), 0
			}
			_, _ = sum.Write(m.Data)
			messages, bytes = messages+1, bytes+len(m.Data)
			if binary.BigEndian.Uint32(m.Data[4:]) == messages {
				tell(happening{"event": "tally", "label": label, "messages": messages, "bytes": bytes, "hash": sum.Sum32()})
				messages = 0
			}
		}
	})
	channel.OnClose(func() { tell(happening{"event": "closed", "label": label}) })
	channel.OnOpen(func() {
		tell(happening{"event": "open", "label": label, "protocol": channel.Protocol(), "ordered": channel.Ordered(),
			"maxRetransmits": channel.MaxRetransmits(), "maxPacketLifeTime": channel.MaxPacketLifeTime(), "remote": remote})
	})
}

func (s *side) send(t task) error {
	s.lock.Lock()
	channel := s.channels[t.Label]
	s.lock.Unlock()
	if channel == nil {
		return fmt.Errorf("there is no channel %q", t.Label)
	}
	if t.Kind == "text" {
		return channel.SendText(t.Data)
	}
	data, err := hex.DecodeString(t.Data)
	if err != nil || t.Count == 0 {
		if err == nil {
			err = channel.Send(data)
		}
		return err
	}
	for n := uint32(0); n < t.Count; n++ {
		binary.BigEndian.PutUint32(data, n)
		binary.BigEndian.PutUint32(data[4:], t.Count)
		if err := channel.Send(append([]byte{}, data...)); err != nil {
			return err
		}
	}
	return nil
}

// local puts a description into force, and gives its text.
func (s *side) local(description webrtc.SessionDescription, err error) (interface{}, error) {
	if err != nil {
		return nil, err
	}
	if err := s.pc.SetLocalDescription(description); err != nil {
		return nil, err
	}
	return s.pc.LocalDescription().SDP, nil
}

func (s *side) act(t task) (interface{}, error) {
	switch t.Do {
	case "create":
		init := &webrtc.DataChannelInit{Ordered: t.Ordered, MaxRetransmits: t.MaxRetransmits, MaxPacketLifeTime: t.MaxPacketLifeTime, Protocol: &t.Protocol}
		channel, err := s.pc.CreateDataChannel(t.Label, init)
		if err == nil {
			s.watch(channel, false)
		}
		return nil, err
	case "media":
		for _, path := range []string{t.Video, t.Audio} {
			f, err := open(path)
			if err == nil {
				_, err = s.pc.AddTrack(f.track)
			}
			if err != nil {
				return nil, err
			}
			s.films = append(s.films, f)
		}
		return nil, nil
	case "offer":
		offer, err := s.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: s.restart})
		s.restart = false
		return s.local(offer, err)
	case "answer":
		if err := s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: t.SDP}); err != nil {
			return nil, err
		}
		answer, err := s.pc.CreateAnswer(nil)
		return s.local(answer, err)
	case "take":
		return nil, s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: t.SDP})
	case "candidate":
		return nil, s.pc.AddICECandidate(webrtc.ICECandidateInit{Candidate: t.Candidate, SDPMid: &t.Mid, SDPMLineIndex: &t.Index})
	case "send":
		return nil, s.send(t)
	case "close channel":
		s.lock.Lock()
		defer s.lock.Unlock()
		return nil, s.channels[t.Label].Close()
	case "restart":
		s.restart = true
		return nil, nil
	case "stats":
		return happening{}, nil
	case "close":
		return nil, s.pc.Close()
	}
	return nil, fmt.Errorf("%q is nothing that can be done", t.Do)
}

// connection listens for TCP too; of itself it opens no connections by TCP.
func connection() (*webrtc.PeerConnection, error) {
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{})
	if err != nil {
		return nil, err
	}
	var settings webrtc.SettingEngine
	settings.SetICETCPMux(webrtc.NewICETCPMux(nil, listener, 8))
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6, webrtc.NetworkTypeTCP4})
	engine, registry := &webrtc.MediaEngine{}, &interceptor.Registry{}
	if err := engine.RegisterDefaultCodecs(); err != nil {
		return nil, err
	}
	if err := webrtc.RegisterDefaultInterceptors(engine, registry); err != nil {
		return nil, err
	}
	api := webrtc.NewAPI(webrtc.WithSettingEngine(settings), webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(registry))
	return api.NewPeerConnection(webrtc.Configuration{})
}

func main() {
	pc, err := connection()
	if err != nil {
		panic(err)
	}
	s := &side{pc: pc, channels: map[string]*webrtc.DataChannel{}}
	pc.OnICECandidate(func(c *webrtc.ICECandidate) {
		if c == nil {
			tell(happening{"event": "candidate", "candidate": "", "mid": "0", "index": 0})
			return
		}
		init := c.ToJSON()
		tell(happening{"event": "candidate", "candidate": init.Candidate, "mid": "0", "index": 0})
	})
	pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		tell(happening{"event": "state", "state": state.String()})
		if state == webrtc.PeerConnectionStateConnected {
			for _, f := range s.films {
				go f.play()
			}
			s.films = nil
		}
	})
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { see(track) })
	pc.OnDataChannel(func(channel *webrtc.DataChannel) { s.watch(channel, true) })
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var t task
		if err := json.Unmarshal(lines.Bytes(), &t); err != nil {
			panic(err)
		}
		said, err := s.act(t)
		if err != nil {
			tell(happening{"id": t.ID, "error": err.Error()})
		} else {
			tell(happening{"id": t.ID, "said": said})
		}
	}
}
