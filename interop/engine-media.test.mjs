/**
 * Sound and pictures between our engine and browsers: the examples `send_media` and `receive_media` of `endpoint`, a page
 * that plays what comes, and `ffprobe`, which reads what was recorded.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Browser } from './browser/launch.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const FOLDER = mkdtempSync(path.join(tmpdir(), 'visavis-media-'))

/** @param {string} program @param {string[]} args */
function command(program, args) {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: FOLDER, encoding: 'utf8' })
  assert.equal(status, 0, `${program} ${args.join(' ')}: ${stderr}`)
  return stdout
}

/** One of our examples: descriptions go in and out as lines that end with a dot. */
class Ours {
  /** @param {string} example @param {string[]} files */
  constructor(example, files) {
    this.child = spawn(`${ROOT}/target/debug/examples/${example}`, files, { cwd: FOLDER, stdio: ['pipe', 'pipe', 'inherit'] })
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]()
    this.ended = once(this.child, 'exit')
  }

  async description() {
    let text = ''
    for (;;) {
      const { value, done } = await this.lines.next()
      assert.ok(!done, 'our side goes on')
      if (value === '.') return text
      text += `${value}\r\n`
    }
  }

  /** @param {string} sdp */
  take(sdp) {
    this.child.stdin.end(`${sdp.replaceAll('\r\n', '\n')}.\n`)
  }
}

/** @type {[import('./browser/launch.mjs').Kind, string][]} */
const BROWSERS = [
  ['chromium', 'Chromium'],
  ['firefox', 'Firefox'],
]

before(() => {
  const built = spawnSync('cargo', ['build', '--examples'], { cwd: ROOT, stdio: 'inherit' })
  assert.equal(built.status, 0, 'our side builds')
  command('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'testsrc=size=320x240:rate=25:duration=20', '-c:v', 'libvpx', '-b:v', '500k', '-g', '50', '-deadline', 'realtime', 'test.ivf'])
  command('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'sine=frequency=440:duration=20', '-ac', '2', '-c:a', 'libopus', 'test.ogg'])
})
after(() => rmSync(FOLDER, { recursive: true, force: true }))

for (const [kind, name] of BROWSERS) describe(`media with ${name}`, () => {
  /** @type {Browser} */
  let browser
  /** @type {import('puppeteer-core').Page} */
  let page
  // Cameras are for pages of a secure origin, as this machine's own address is.
  const server = http.createServer((_, response) => response.setHeader('content-type', 'text/html').end('<title>media</title>'))

  before(async () => {
    await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(null)))
    browser = await Browser.launch(kind, { args: ['--use-fake-ui-for-media-stream', '--autoplay-policy=no-user-gesture-required'], prefs: { 'media.autoplay.default': 0 } })
    page = await browser.puppet.newPage()
    const address = /** @type {import('node:net').AddressInfo} */ (server.address())
    await page.goto(`http://localhost:${address.port}/`)
  })
  after(async () => {
    await browser?.close()
    server.close()
  })

  test('it plays what we send', async () => {
    const ours = new Ours('send_media', ['test.ivf', 'test.ogg'])
    const answer = await page.evaluate(async (sdp) => {
      const pc = new RTCPeerConnection()
      Object.assign(globalThis, { pc })
      pc.ontrack = ({ streams: [stream] }) => {
        const video = document.querySelector('video') ?? document.body.appendChild(document.createElement('video'))
        video.srcObject = stream ?? null
        void video.play()
      }
      await pc.setRemoteDescription({ type: 'offer', sdp })
      await pc.setLocalDescription()
      return pc.localDescription?.sdp ?? ''
    }, await ours.description())
    ours.take(answer)
    const seen = await page.waitForFunction(
      async () => {
        const { pc } = /** @type {{ pc: RTCPeerConnection }} */ (/** @type {unknown} */ (globalThis))
        /** @type {any[]} */
        const stats = [...(await pc.getStats()).values()].filter(({ type }) => type === 'inbound-rtp')
        const video = stats.find(({ kind }) => kind === 'video')
        const audio = stats.find(({ kind }) => kind === 'audio')
        // Three seconds of both, and the sound is not silence.
        return video?.framesDecoded >= 75 && audio?.totalSamplesReceived > 144_000 && audio.totalAudioEnergy > 0.001 && { ...video, concealed: audio.concealedSamples, samples: audio.totalSamplesReceived }
      },
      { timeout: 30_000, polling: 200 },
    )
    const stats = await seen.jsonValue()
    assert.equal(`${stats.frameWidth}x${stats.frameHeight}`, '320x240')
    assert.equal(stats.framesDropped + stats.freezeCount, 0, JSON.stringify(stats))
    assert.equal(stats.packetsLost, 0)
    assert.ok(stats.concealed < stats.samples / 10, `${stats.concealed} of ${stats.samples} samples made up`)
    await page.evaluate(() => /** @type {{ pc: RTCPeerConnection }} */ (/** @type {unknown} */ (globalThis)).pc.close())
    assert.deepEqual(await ours.ended, [0, null])
  })

  test('we record what it sends', async () => {
    const ours = new Ours('receive_media', ['came.ivf', 'came.ogg'])
    const offer = await page.evaluate(async () => {
      const pc = new RTCPeerConnection()
      Object.assign(globalThis, { pc })
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 320, height: 240 } })
      for (const track of stream.getTracks()) pc.addTrack(track, stream)
      await pc.setLocalDescription()
      return pc.localDescription?.sdp ?? ''
    })
    ours.take(offer)
    await page.evaluate(
      (sdp) => /** @type {{ pc: RTCPeerConnection }} */ (/** @type {unknown} */ (globalThis)).pc.setRemoteDescription({ type: 'answer', sdp }),
      await ours.description(),
    )
    await page.waitForFunction(
      async () => {
        const { pc } = /** @type {{ pc: RTCPeerConnection }} */ (/** @type {unknown} */ (globalThis))
        /** @type {any[]} */
        const stats = [...(await pc.getStats()).values()]
        const video = stats.find(({ type, kind }) => type === 'outbound-rtp' && kind === 'video')
        const report = stats.find(({ type, kind }) => type === 'remote-inbound-rtp' && kind === 'video')
        const audio = stats.find(({ type, kind }) => type === 'outbound-rtp' && kind === 'audio')
        return video?.framesEncoded >= 60 && audio?.packetsSent >= 120 && report?.roundTripTime !== undefined
      },
      { timeout: 30_000, polling: 200 },
    )
    await page.evaluate(() => /** @type {{ pc: RTCPeerConnection }} */ (/** @type {unknown} */ (globalThis)).pc.close())
    assert.deepEqual(await ours.ended, [0, null])
    const probe = (/** @type {string} */ file) => JSON.parse(command('ffprobe', ['-v', 'error', '-count_frames', '-show_streams', '-of', 'json', file])).streams[0]
    const [video, audio] = [probe('came.ivf'), probe('came.ogg')]
    assert.deepEqual([video.codec_name, audio.codec_name, audio.sample_rate], ['vp8', 'opus', '48000'])
    assert.ok(video.width >= 160 && Number(video.nb_read_frames) >= 40, JSON.stringify(video))
    assert.ok(Number(audio.nb_read_frames) >= 100, JSON.stringify(audio))
    // Everything can be decoded.
    command('ffmpeg', ['-v', 'error', '-xerror', '-i', 'came.ivf', '-f', 'null', '-'])
    command('ffmpeg', ['-v', 'error', '-xerror', '-i', 'came.ogg', '-f', 'null', '-'])
  })
})
