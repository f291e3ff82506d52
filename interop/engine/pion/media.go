package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc"
	"github.com/pion/webrtc/pkg/media"
	"github.com/pion/webrtc/pkg/media/samplebuilder"
)

// Pictures, and pieces of sound, after which it is told that they come.
const enough = 40

// A film is a file of frames in the container IVF.
type film struct {
	track  *webrtc.TrackLocalStaticSample
	frames [][]byte
	length time.Duration
}

func open(path string) (*film, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	kinds := map[string]webrtc.RTPCodecCapability{
		"VP80": {MimeType: webrtc.MimeTypeVP8},
		"H264": {MimeType: webrtc.MimeTypeH264, SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"},
		"OPUS": {MimeType: webrtc.MimeTypeOpus},
	}
	kind := string(file[8:12])
	track, err := webrtc.NewTrackLocalStaticSample(kinds[kind], kind, "film")
	rate := binary.LittleEndian.Uint32(file[16:])
	f := &film{track: track, length: time.Second / time.Duration(rate)}
	for at := 32; at < len(file); {
		end := at + 12 + int(binary.LittleEndian.Uint32(file[at:]))
		f.frames = append(f.frames, file[at+12:end])
		at = end
	}
	return f, err
}

// play sends every frame when it is due, over and over.
func (f *film) play() {
	tick := time.NewTicker(f.length)
	for {
		for _, frame := range f.frames {
			<-tick.C
			if f.track.WriteSample(media.Sample{Data: frame, Duration: f.length}) != nil {
				return
			}
		}
	}
}

// see counts what comes, and tells it once.
func see(track *webrtc.TrackRemote) {
	if track.Kind() == webrtc.RTPCodecTypeAudio {
		for n := 1; ; n++ {
			if _, _, err := track.ReadRTP(); err != nil {
				return
			}
			if n == enough {
				tell(happening{"event": "media", "kind": "audio", "frames": n})
			}
		}
	}
	var depacketizer rtp.Depacketizer = &codecs.VP8Packet{}
	if track.Codec().MimeType == webrtc.MimeTypeH264 {
		depacketizer = &codecs.H264Packet{}
	}
	frames, size := 0, ""
	builder := samplebuilder.New(200, depacketizer, 90000)
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		builder.Push(packet)
		for sample := builder.Pop(); sample != nil; sample = builder.Pop() {
			// RFC 6386 section 9.1: the keyframe has the size. What comes before it shows nothing.
			if d := sample.Data; len(d) > 9 && d[0]&1 == 0 && d[3] == 0x9d {
				size = fmt.Sprintf("%dx%d", binary.LittleEndian.Uint16(d[6:])&0x3fff, binary.LittleEndian.Uint16(d[8:])&0x3fff)
			} else if track.Codec().MimeType == webrtc.MimeTypeH264 && len(d) > 4 && (d[4]&0x1f == 7 || d[4]&0x1f == 9) {
				size = "parameters"
			}
			if size == "" {
				continue
			}
			if frames++; frames == enough {
				tell(happening{"event": "media", "kind": "video", "frames": frames, "size": size})
			}
		}
	}
}
