/** What does not work, and why: a stack's reason, not ours. A step that works after all is an error too. */

/** @type {{ peer: string, role?: 'offers' | 'answers', steps: string[], why: string }[]} */
const KNOWN = [
  ...['libwebrtc', 'libdatachannel', 'aiortc', 'Pion', 'webrtc-rs', 'GStreamer'].map((peer) => ({ peer, steps: ['DTLS 1.3'], why: 'it speaks DTLS 1.2 and no other' })),
  { peer: 'libdatachannel', steps: ['we restart', 'they restart'], why: 'it has no ICE restart, and refuses new credentials' },
  { peer: 'aiortc', steps: ['we restart', 'they restart'], why: 'it has no ICE restart, and answers one with its old credentials' },
  { peer: 'GStreamer', steps: ['we restart', 'they restart'], why: 'webrtcbin 1.22 has no ICE restart' },
  { peer: 'GStreamer', steps: ['they end'], why: 'it goes without a word: neither SCTP nor DTLS is ended' },
  { peer: 'aiortc', steps: ['TCP'], why: 'it has no TCP candidates' },
  { peer: 'str0m', steps: ['TCP'], why: 'it leaves TCP to its driver, and ours for it has UDP alone' },
  { peer: 'libdatachannel', steps: ['TCP'], why: 'it is off as it comes; switched on, a connection under load loses its framing now and then' },
  { peer: 'libdatachannel', steps: ['media', 'H.264'], why: 'it carries RTP that others make, and has neither codecs nor sources' },
  { peer: 'Firefox', steps: ['H.264'], why: 'Debian builds it without OpenH264, which it would download' },
  { peer: 'libwebrtc', steps: ['H.264'], why: 'the npm package is built without it' },
  { peer: 'aiortc', steps: ['names'], why: 'it writes the length of a label in characters instead of bytes' },
]

/** The reasons by step. @param {string} peer @param {'offers' | 'answers'} role @returns {Record<string, string>} */
export function known(peer, role) {
  const found = KNOWN.filter((entry) => entry.peer === peer && (entry.role ?? role) === role)
  return Object.fromEntries(found.flatMap(({ steps, why }) => steps.map((step) => [step, why])))
}
