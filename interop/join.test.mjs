/** `visavis join` and a page in Chromium: the page sees and hears the test pattern, and is recorded. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { Browser } from './browser/launch.mjs'
import { Person } from './browser/person.mjs'
import { command } from './lab/namespaces.mjs'
import { Visavis, program } from './servers/visavis.mjs'

/** The tone in the page's microphone, and the colour of its camera. */
const TONE = 440
const HUE = 120

/** How late a picture may be on this machine, with a browser that decodes on the processor, ms. */
const LATE_MOST = 3000

const folder = mkdtempSync(path.join(tmpdir(), 'visavis-join-'))
/** @type {Visavis} */
let server
/** @type {Browser} */
let chromium

before(async () => {
  const tone = path.join(folder, 'tone.wav')
  command(['ffmpeg', '-loglevel', 'error', '-y', '-f', 'lavfi', '-i', `sine=frequency=${TONE}:duration=8,volume=12dB`, '-ar', '48000', tone])
  server = await Visavis.local()
  chromium = await Browser.launch('chromium', { media: { audio: tone } })
})
after(async () => {
  await chromium?.close()
  await server?.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** `visavis join` under way, and what it said. */
class Joined {
  /** @type {any[]} */
  events = []

  /** @param {import('node:test').TestContext} t @param {string[]} argv */
  constructor(t, argv) {
    this.child = spawn(program(), ['join', ...argv, '--json', '--server', server.url], { stdio: ['ignore', 'pipe', 'inherit'] })
    t.after(() => this.child.kill('SIGKILL'))
    this.exit = once(this.child, 'exit').then(([code]) => code)
    this.lines = createInterface({ input: this.child.stdout })
    this.lines.on('line', (line) => this.events.push(JSON.parse(line)))
  }

  /**
   * An event of this name of which something is so, now or later.
   *
   * @param {string} name
   * @param {(event: any) => boolean} [wanted]
   */
  async until(name, wanted = () => true) {
    for (;;) {
      const event = this.events.find((found) => found.event === name && wanted(found))
      if (event) return event
      const ended = this.exit.then((code) => { throw new Error(`it ended with ${code} before ${name}: ${JSON.stringify(this.events)}`) })
      await Promise.race([once(this.lines, 'line'), ended])
    }
  }

  /** Leaves, as with Ctrl-C. */
  async leave() {
    this.child.kill('SIGINT')
    assert.equal(await this.exit, 130, JSON.stringify(this.events.at(-1)))
  }
}

/** Comes into a room. @param {import('node:test').TestContext} t @param {string} room @param {string} name */
async function enter(t, room, name) {
  const person = await Person.arrive(chromium, name, `${server.url}/r/${room}`, { hue: HUE })
  t.after(() => person.leave())
  await person.introduce()
  await person.press('Join')
  return person
}

/** Reads the code of blocks from the picture with this label; `crates/media/src/pattern.rs` says how it is made. */
function readMark(/** @type {string} */ label) {
  const video = [...document.querySelectorAll('video')].find((found) => found.ariaLabel === label && found.videoWidth > 0)
  if (!video) return null
  const { videoWidth: width, videoHeight: height } = video
  const canvas = new OffscreenCanvas(width, height)
  const context = canvas.getContext('2d')
  if (!context) return null
  context.drawImage(video, 0, 0)
  const { data } = context.getImageData(0, 0, width, height)
  const edge = (/** @type {number} */ blocks) => Math.floor(blocks * width / 32)
  const bits = Array.from({ length: 112 }, (_, at) => {
    const x = (edge(2 + at % 28) + edge(3 + at % 28)) >> 1
    const y = height - (edge(4 - Math.floor(at / 28)) + (edge(1) >> 1)) + (edge(1) >> 1)
    return /** @type {number} */ (data[(y * width + x) * 4 + 1]) > 126 ? 1 : 0
  })
  const bytes = Array.from({ length: 14 }, (_, at) => bits.slice(at * 8, at * 8 + 8).reduce((value, bit) => value * 2 + bit, 0))
  let sum = 0
  for (const byte of bytes.slice(0, 12)) {
    sum ^= byte << 8
    for (let bit = 0; bit < 8; bit++) sum = (sum & 0x8000 ? sum << 1 ^ 0x1021 : sum << 1) & 0xffff
  }
  const number = (/** @type {number} */ from, /** @type {number} */ to) => bytes.slice(from, to).reduce((value, byte) => value * 256 + byte, 0)
  return sum === number(12, 14) ? { frame: number(2, 6), late: Date.now() - number(6, 12) } : null
}

/** Waits for a picture whose code can be read and comes after another. @param {Person} person @param {string} label @param {number} after */
async function mark(person, label, after) {
  /** @type {{ frame: number, late: number } | null} */
  let found = null
  await person.until(`the code of ${label} after picture ${after} can be read`, async () => {
    const now = await person.page.evaluate(readMark, label)
    if (now && now.frame > after) found = now
    return found !== null
  })
  return /** @type {{ frame: number, late: number }} */ (/** @type {unknown} */ (found))
}

/** What a program says about a file. @param {string[]} argv */
function says(argv) {
  const { status, stdout, stderr } = spawnSync(/** @type {string} */ (argv[0]), argv.slice(1), { maxBuffer: 1 << 28 })
  assert.equal(status, 0, `${argv.join(' ')}: ${stderr}`)
  return { stdout, stderr: stderr.toString() }
}

describe('a terminal in a room with a page in Chromium', () => {
  test('the page sees the pattern and hears the beep, straight and through the server', async (t) => {
    const robot = { name: 'Robot', kind: 'chromium', hue: null }
    const ada = await enter(t, 'pattern', 'Ada')
    await ada.says('Waiting for the other one')
    const joined = new Joined(t, ['pattern', '--name', robot.name, '--pattern=640x360@20'])
    await ada.sees(/** @type {any} */ (robot))
    await ada.hears()
    const first = await mark(ada, robot.name, -1)
    const second = await mark(ada, robot.name, first.frame)
    t.diagnostic(`straight: a picture is ${second.late} ms old when it is painted`)
    assert.ok(second.late < LATE_MOST, `${second.late} ms`)

    const watcher = new Joined(t, ['pattern', '--name', 'Watcher'])
    await watcher.until('conference')
    await joined.until('conference')
    const third = await mark(ada, robot.name, second.frame)
    const fourth = await mark(ada, robot.name, third.frame + 60)
    t.diagnostic(`through the server: ${third.late} ms at first, ${fourth.late} ms after three seconds`)
    assert.ok(fourth.late < LATE_MOST, `${fourth.late} ms`)
    await ada.screenshot('join')
    await joined.leave()
    await watcher.leave()
  })

  test('a page is recorded with its colour and its voice', async (t) => {
    const into = path.join(folder, 'recorded')
    const joined = new Joined(t, ['studio', '--name', 'Recorder', '--record', into])
    await joined.until('waiting')
    const bea = await enter(t, 'studio', 'Bea')
    await joined.until('status', ({ framesReceived }) => framesReceived > 400)
    await joined.leave()
    await bea.says('')
    const { file, pictures, sound } = await joined.until('recorded')
    assert.ok(pictures > 30 && sound > 100, `${pictures} pictures, ${sound} packets`)
    const streams = JSON.parse(says(['ffprobe', '-v', 'error', '-show_streams', '-of', 'json', file]).stdout.toString()).streams
    assert.deepEqual(streams.map((/** @type {any} */ { codec_type }) => codec_type).sort(), ['audio', 'video'])
    const decoded = says(['ffmpeg', '-v', 'error', '-i', file, '-an', '-vf', 'scale=32:18', '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-'])
    assert.equal(decoded.stderr, '')
    const last = decoded.stdout.subarray(-32 * 18 * 3)
    const mean = [0, 1, 2].map((channel) => last.filter((_, at) => at % 3 === channel).reduce((sum, value) => sum + value, 0) / (32 * 18))
    assert.ok(/** @type {number} */ (mean[1]) > Math.max(/** @type {number} */ (mean[0]), /** @type {number} */ (mean[2])) + 20, `green is what was filmed: ${mean}`)
    const heard = says(['ffmpeg', '-v', 'error', '-i', file, '-vn', '-ac', '1', '-ar', '48000', '-f', 's16le', '-']).stdout
    const values = new Int16Array(heard.buffer, heard.byteOffset, heard.length >> 1)
    // The power at the tone against that of all: Goertzel's way over half a second.
    const window = values.subarray(values.length - 48_000, values.length - 24_000)
    const turn = 2 * Math.cos(2 * Math.PI * TONE / 48_000)
    let [a, b, all] = [0, 0, 0]
    for (const value of window) [a, b, all] = [value + turn * a - b, a, all + value * value]
    const share = 2 * (a * a + b * b - turn * a * b) / (window.length * all)
    assert.ok(share > 0.5, `of what was heard ${(share * 100).toFixed(1)} % is the tone`)
  })
})
