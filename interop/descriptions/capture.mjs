/**
 * Writes what browsers and other stacks offer and answer into vectors/sdp: `node descriptions/capture.mjs [name …]`.
 *
 * Addresses of the machine are replaced by those kept for documentation (RFC 5737, RFC 3849); nothing else is changed.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Browser } from '../browser/launch.mjs'
import { describe } from './describe.mjs'

const file = (/** @type {string} */ name) => fileURLToPath(new URL(name, import.meta.url))
const VECTORS = file('../../vectors/sdp')

/** @type {Record<string, () => Promise<Record<string, string>>>} */
const SOURCES = {
  chromium: () => inBrowser('chromium'),
  firefox: () => inBrowser('firefox'),
  libwebrtc: async () => {
    const { default: wrtc } = await import('@roamhq/wrtc')
    return describe(wrtc.RTCPeerConnection, wrtc.MediaStream)
  },
  libdatachannel,
  aiortc: async () => program(['/usr/bin/python3', file('aiortc_describe.py')]),
  pion: async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'visavis-pion-'))
    const env = { ...process.env, GO111MODULE: 'off', GOPATH: '/usr/share/gocode', GOFLAGS: '' }
    const built = spawnSync('go', ['build', '-o', path.join(folder, 'pion'), '.'], { cwd: file('pion'), env, encoding: 'utf8' })
    if (built.status !== 0) throw new Error(`Pion's program does not build:\n${built.stderr}`)
    try {
      return program([path.join(folder, 'pion')])
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
}

/** @param {import('../browser/launch.mjs').Kind} kind */
async function inBrowser(kind) {
  const browser = await Browser.launch(kind)
  try {
    const page = await browser.puppet.newPage()
    await page.goto('about:blank')
    return await page.evaluate(`(${describe})()`)
  } finally {
    await browser.close()
  }
}

/** Its interface is its own. @returns {Promise<Record<string, string>>} */
async function libdatachannel() {
  const { PeerConnection, Audio, Video } = await import('node-datachannel')
  const described = (/** @type {InstanceType<typeof PeerConnection>} */ pc) =>
    new Promise((resolve) => pc.onGatheringStateChange((state) => state === 'complete' && resolve(pc.localDescription()?.sdp ?? '')))
  /** @type {Record<string, string>} */
  const out = {}
  for (const name of ['data', 'call']) {
    const [a, b] = ['a', 'b'].map((side) => new PeerConnection(side, { iceServers: [], disableAutoNegotiation: true }))
    if (!a || !b) throw new Error('two peers')
    const kept = []
    if (name === 'call') {
      const audio = new Audio('audio', 'SendRecv')
      audio.addOpusCodec(111)
      const video = new Video('video', 'SendRecv')
      video.addH264Codec(96)
      video.addVP8Codec(97)
      kept.push(a.addTrack(audio), a.addTrack(video))
    }
    kept.push(a.createDataChannel('test'))
    const offer = described(a)
    a.setLocalDescription()
    out[`${name}-offer`] = await offer
    b.onTrack((track) => kept.push(track))
    const answer = described(b)
    b.setRemoteDescription(out[`${name}-offer`] ?? '', 'offer')
    b.setLocalDescription()
    out[`${name}-answer`] = await answer
    a.close()
    b.close()
  }
  return out
}

/** A program that prints its descriptions as JSON. @param {string[]} argv @returns {Record<string, string>} */
function program([command = '', ...rest]) {
  const { status, stdout, stderr } = spawnSync(command, rest, { encoding: 'utf8', timeout: 60_000 })
  if (status !== 0) throw new Error(`${command} ended with ${status}:\n${stderr}`)
  return JSON.parse(stdout)
}

/** @param {string} sdp */
function anonymous(sdp) {
  return sdp
    .replaceAll(/\b(?!127\.|0\.0\.0\.0)\d{1,3}(?:\.\d{1,3}){3}(?= (\d+ typ|rport)|\r)/g, '192.0.2.1')
    .replaceAll(/\bf[cde][0-9a-f]{2}:[0-9a-f:]*(?= \d+ typ)/g, '2001:db8::1')
    .replaceAll(/^(o=\S+ \d+ \d+ IN IP4) (?!127\.|0\.)\S+/gm, '$1 192.0.2.1')
}

const wanted = process.argv.slice(2)
for (const [name, source] of Object.entries(SOURCES)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  for (const [what, sdp] of Object.entries(await source())) {
    writeFileSync(path.join(VECTORS, `${name}-${what}.sdp`), anonymous(sdp))
    console.log(`${name}-${what}: ${sdp.length} bytes`)
  }
}
process.exit(0)
