/** Programs that others wrote publish into a room by WHIP and watch it by WHEP, and pages see them. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Browser } from './browser/launch.mjs'
import { Person } from './browser/person.mjs'
import { Visavis } from './servers/visavis.mjs'
import { Owner } from './whip/owner.mjs'

const PYTHON = '/usr/bin/python3'
/** Has PyAV, whose FFmpeg is newer than Debian's: `scripts/deps test` makes it. */
const NEWER = fileURLToPath(new URL('../.tools/python/bin/python', import.meta.url))
const missing = {
  ffmpeg: spawnSync(NEWER, ['-c', 'import av; av.format.ContainerFormat("whip", "w")']).status !== 0 && 'needs PyAV 18 in .tools/python: scripts/deps test',
  gstreamer: spawnSync('gst-inspect-1.0', ['webrtcbin']).status !== 0 && 'needs the packages of scripts/deps test',
  aiortc: spawnSync(PYTHON, ['-c', 'import aiortc']).status !== 0 && 'needs the package python3-aiortc',
}

/** @type {Visavis} */
let server
/** @type {Browser} */
let chromium
let count = 0

before(async () => {
  server = await Visavis.local()
  chromium = await Browser.launch('chromium')
})
after(async () => {
  await chromium?.close()
  await server?.stop()
})

/** A program that tells in lines of JSON what happens. */
class Program {
  /** @type {any[]} */
  log = []

  /**
   * @param {import('node:test').TestContext} t
   * @param {string} file
   * @param {string[]} args
   * @param {string} [python]
   */
  constructor(t, file, args, python = PYTHON) {
    const script = fileURLToPath(new URL(`whip/${file}`, import.meta.url))
    this.child = spawn(python, [script, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.lines = createInterface({ input: this.child.stdout })
    this.lines.on('line', (line) => this.log.push(JSON.parse(line)))
    t.after(() => this.child.kill())
  }

  /**
   * Waits until it tells something.
   *
   * @param {Record<string, unknown>} happening
   */
  async tells(happening) {
    const is = (/** @type {any} */ one) => Object.entries(happening).every(([name, value]) => one[name] === value)
    while (!this.log.some(is)) {
      await once(this.lines, 'line', { signal: AbortSignal.timeout(30_000) }).catch((error) => {
        throw new Error(`not told ${JSON.stringify(happening)}: ${JSON.stringify(this.log)}`, { cause: error })
      })
    }
    return this.log.find(is)
  }

  /** Lets it end its session, and waits for that. */
  async end() {
    this.child.stdin.end()
    await this.tells({ deleted: 200 })
  }
}

/**
 * A room with its owner, who sends nothing.
 *
 * @param {import('node:test').TestContext} t
 */
async function room(t) {
  const name = `whip-${++count}`
  const owner = await Owner.of(server.url, name)
  t.after(() => owner.leave())
  return { name, owner, whip: `${server.url}/whip/${name}`, whep: `${server.url}/whep/${name}`, publish: await owner.key(name, 'publish'), watch: await owner.key(name, 'watch') }
}

/**
 * A page that somebody opens.
 *
 * @param {import('node:test').TestContext} t
 * @param {string} path
 * @param {Browser} [browser]
 */
async function visit(t, path, browser = chromium) {
  const person = await Person.arrive(browser, `Page ${count}`, `${server.url}${path}`)
  t.after(() => person.leave())
  return person
}

/**
 * A page of another site, with nothing but what browsers have.
 *
 * @param {import('node:test').TestContext} t
 */
async function elsewhere(t) {
  const site = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<video autoplay muted playsinline></video>'))
  await once(site.listen(0, '127.0.0.1'), 'listening')
  t.after(() => site.close())
  const plain = await visit(t, '/')
  await plain.page.goto(`http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (site.address()).port}/`)
  return plain
}

/**
 * Ends the session that a page of another site began.
 *
 * @param {Person} plain
 * @param {string} key
 */
async function end(plain, key) {
  return plain.page.evaluate(async (key) => {
    const { session } = /** @type {any} */ (window)
    return (await fetch(session, { method: 'DELETE', headers: { authorization: `Bearer ${key}` } })).status
  }, key)
}

/**
 * Waits until a picture in a page moves; gives its height.
 *
 * @param {Person} person
 * @param {string} selector
 */
async function plays(person, selector) {
  const look = () => person.page.evaluate((selector) => {
    const video = /** @type {HTMLVideoElement | undefined} */ ([...document.querySelectorAll(selector)].find((one) => one instanceof HTMLVideoElement && one.videoHeight > 0))
    return video ? { height: video.videoHeight, frames: video.getVideoPlaybackQuality().totalVideoFrames } : null
  }, selector)
  let first = 0
  await person.until('a picture moves', async () => {
    const now = await look()
    first ||= now?.frames ?? 0
    return now !== null && now.frames > first + 20
  })
  return (await look())?.height
}

describe('whip', () => {
  test('GStreamer publishes, trickles, is seen by a page, and leaves', { skip: missing.gstreamer }, async (t) => {
    const { name, owner, whip, publish } = await room(t)
    const encoder = new Program(t, 'gstreamer_publisher.py', [`${whip}?name=Studio`, publish, 'VP8'])
    await encoder.tells({ posted: 201 })
    await encoder.tells({ state: 'connected' })
    const { member } = await owner.hears('member', ({ member }) => member.kind === 'encoder' && member.sending.camera && member.sending.microphone)
    assert.equal(member.person.name, 'Studio')
    const person = await visit(t, `/r/${name}`)
    await person.introduce()
    await person.press('Join')
    assert.equal(await plays(person, `video[aria-label="Studio"]`), 360)
    assert.deepEqual([...new Set(encoder.log.flatMap(({ patched }) => patched ?? []))], [204])
    await encoder.end()
    await owner.hears('member-left', ({ number }) => number === member.number)
  })

  test('who has no H.264 is told so', { skip: missing.gstreamer }, async (t) => {
    const { name, whip, publish } = await room(t)
    const encoder = new Program(t, 'gstreamer_publisher.py', [`${whip}?name=Studio`, publish, 'H264'])
    await encoder.tells({ state: 'connected' })
    const able = await visit(t, `/r/${name}`)
    await able.introduce()
    await able.press('Join')
    assert.equal(await plays(able, `video[aria-label="Studio"]`), 360)
    const firefox = await Browser.launch('firefox')
    t.after(() => firefox.close())
    const unable = await visit(t, `/r/${name}`, firefox)
    await unable.introduce()
    await unable.press('Join')
    await unable.until('it is said that the picture cannot be played', () => unable.page.evaluate(() => document.body.innerText.includes('Your browser cannot play this picture')))
  })

  test('FFmpeg publishes, is seen by a page, and leaves', { skip: missing.ffmpeg }, async (t) => {
    const { name, owner, whip, publish } = await room(t)
    const folder = mkdtempSync(path.join(tmpdir(), 'visavis-ffmpeg-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const encoder = new Program(t, 'ffmpeg_publisher.py', [`${whip}?name=Film`, publish, folder], NEWER)
    await encoder.tells({ state: 'connected' })
    const { member } = await owner.hears('member', ({ member }) => member.kind === 'encoder' && member.sending.camera && member.sending.microphone)
    assert.equal(member.person.name, 'Film')
    const person = await visit(t, `/r/${name}`)
    await person.introduce()
    await person.press('Join')
    assert.equal(await plays(person, `video[aria-label="Film"]`), 360)
    await encoder.end()
    await owner.hears('member-left', ({ number }) => number === member.number)
  })

  test('aiortc publishes, and is watched by aiortc, by a plain page and by ours', { skip: missing.aiortc }, async (t) => {
    const { name, owner, whip, whep, publish, watch } = await room(t)
    const encoder = new Program(t, 'aiortc_program.py', ['publish', whip, publish])
    await encoder.tells({ state: 'connected' })
    const player = new Program(t, 'aiortc_program.py', ['watch', whep, watch])
    await player.tells({ plays: 'audio' })
    assert.equal((await player.tells({ plays: 'video' })).height, 480)

    const plain = await elsewhere(t)
    const streams = await plain.page.evaluate(async (whep, key) => {
      const peer = new RTCPeerConnection()
      /** @type {string[][]} */
      const streams = []
      peer.ontrack = ({ track, streams: [stream] }) => {
        streams.push([track.kind, stream?.id ?? ''])
        const video = document.querySelector('video')
        if (video && stream) video.srcObject = stream
      }
      for (const kind of ['audio', 'video']) peer.addTransceiver(kind, { direction: 'recvonly' })
      await peer.setLocalDescription()
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/sdp' }
      const answer = await fetch(whep, { method: 'POST', headers, body: peer.localDescription?.sdp ?? '' })
      Object.assign(window, { session: new URL(answer.headers.get('location') ?? '', whep).href, peer })
      await peer.setRemoteDescription({ type: 'answer', sdp: await answer.text() })
      return streams
    }, whep, watch)
    assert.deepEqual(streams, [['audio', 'room'], ['video', 'room']])
    assert.equal(await plays(plain, 'video'), 480)

    // Ours, with the key behind the #, then without one.
    const keyed = await visit(t, `/watch/${name}#${watch}`)
    assert.equal(await plays(keyed, 'video'), 480)
    const guest = await visit(t, `/watch/${name}`)
    await guest.until('a key is asked for', () => guest.page.evaluate(() => document.body.innerText.includes('Ask an owner')))
    owner.moderate({ kind: 'watching', on: true })
    await owner.hears('settings', ({ watching }) => watching)
    await guest.page.reload()
    assert.equal(await plays(guest, 'video'), 480)
    await owner.hears('watchers', ({ count }) => count === 4)
    assert.equal(await end(plain, watch), 200)
    await player.end()
    await owner.hears('watchers', ({ count }) => count === 2)
    await encoder.end()
  })

  test('a browser publishes three sizes, and who watches gets the one for them', async (t) => {
    const { name, owner, whip, publish } = await room(t)
    const plain = await elsewhere(t)
    const answered = await plain.page.evaluate(async (whip, key) => {
      const canvas = Object.assign(document.createElement('canvas'), { width: 1280, height: 720 })
      const paint = canvas.getContext('2d')
      let frame = 0
      setInterval(() => {
        if (!paint) return
        paint.fillStyle = `hsl(${(frame += 3)} 80% 50%)`
        paint.fillRect(0, 0, canvas.width, canvas.height)
      }, 66)
      const peer = new RTCPeerConnection()
      const sendEncodings = [{ rid: 'q', scaleResolutionDownBy: 4 }, { rid: 'h', scaleResolutionDownBy: 2 }, { rid: 'f' }]
      const stream = canvas.captureStream()
      for (const track of stream.getTracks()) peer.addTransceiver(track, { direction: 'sendonly', sendEncodings, streams: [stream] })
      await peer.setLocalDescription()
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/sdp' }
      const answer = await fetch(whip, { method: 'POST', headers, body: peer.localDescription?.sdp ?? '' })
      const sdp = await answer.text()
      Object.assign(window, { session: new URL(answer.headers.get('location') ?? '', whip).href, peer })
      await peer.setRemoteDescription({ type: 'answer', sdp })
      return sdp
    }, `${whip}?name=Stage`, publish)
    assert.match(answered, /a=simulcast:recv q;h;f/)
    await owner.hears('member', ({ member }) => member.kind === 'encoder' && member.sending.camera)
    const sizes = () => plain.page.evaluate(async () => {
      const { peer } = /** @type {any} */ (window)
      const stats = [...(await peer.getStats()).values()].filter(({ type, framesSent }) => type === 'outbound-rtp' && framesSent > 0)
      return stats.map(({ frameHeight }) => frameHeight).sort((a, b) => a - b)
    })
    await plain.until('three sizes are sent', async () => (await sizes()).join() === '180,360,720')
    owner.moderate({ kind: 'watching', on: true })
    const whole = await visit(t, `/watch/${name}`)
    const height = (/** @type {Person} */ person) => person.page.evaluate(() => [...document.querySelectorAll('video')].find(({ videoHeight }) => videoHeight > 0)?.videoHeight)
    await whole.until('the largest arrives', async () => (await height(whole)) === 720)
    const small = await visit(t, `/r/${name}`)
    await small.page.setViewport({ width: 390, height: 500 })
    await small.introduce()
    await small.press('Join')
    const seen = () => small.page.evaluate(() => /** @type {HTMLVideoElement | null} */ (document.querySelector('video[aria-label="Stage"]'))?.videoHeight)
    await small.until('a smaller one arrives', async () => [180, 360].includes((await seen()) ?? 0))
    assert.equal(await height(whole), 720)
    assert.equal(await end(plain, publish), 200)
  })

  test('an owner finds address and key in the page', async (t) => {
    const person = await visit(t, `/r/whip-${++count}`)
    await person.introduce()
    await person.press('Join')
    await person.press('Connect an encoder')
    const given = () => person.page.evaluate(() => [...document.querySelectorAll('.way[data-door="publish"] input')].map((one) => /** @type {HTMLInputElement} */ (one).value))
    await person.until('address and key are there', async () => (await given()).length === 2)
    const [address, key] = await given()
    assert.equal(address, `${server.url}/whip/whip-${count}`)
    const answer = await fetch(address ?? '', { method: 'POST', headers: { authorization: `Bearer ${key}`, 'content-type': 'application/sdp' }, body: 'v=0\r\n' })
    assert.deepEqual([answer.status, answer.headers.get('content-type')], [422, 'application/problem+json'])
  })
})
