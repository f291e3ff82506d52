/** A meeting in real browsers is recorded by our server, and what it wrote is decoded by FFmpeg. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { CLAP, paintClapper } from './browser/clapper.mjs'
import { Browser } from './browser/launch.mjs'
import { Person } from './browser/person.mjs'
import { command } from './lab/namespaces.mjs'
import { S3 } from './servers/s3.mjs'
import { program, Visavis } from './servers/visavis.mjs'

/** Sound and picture may be apart by so much, ms. */
const APART = 80
/** What Ada's microphone hears, Hz. */
const TONE = 440
/** So long is recorded at least, ms. */
const LONG = 12_000
const PATIENCE = 60_000

const folder = mkdtempSync(path.join(tmpdir(), 'visavis-recording-'))
/** @type {Visavis} */
let server
/** @type {Browser} */
let chromium

before(async () => {
  const voice = path.join(folder, 'voice.wav')
  command(['ffmpeg', '-loglevel', 'error', '-y', '-f', 'lavfi', '-i', `sine=frequency=${TONE}:duration=8,volume=6dB`, '-ar', '48000', voice])
  server = await Visavis.local(['--recording-free', '1M'])
  chromium = await Browser.launch('chromium', { media: { audio: voice } })
})
after(async () => {
  await chromium?.close()
  await server?.stop()
  rmSync(folder, { recursive: true, force: true })
})

const recordings = () => path.join(server.argv[server.argv.indexOf('--data') + 1] ?? '', 'recordings')

/**
 * @typedef {{ name: string, shows: string, offset: number, duration: number, bytes: number, codecs: string[] }} Part
 * @typedef {{ number: number, person: { name: string }, present: { from: number, to?: number }[], muted: { from: number, to?: number }[], files: Part[] }} Attended
 * @typedef {{ id: string, state: string, duration: number, people: Attended[], speaking: { at: number, members: number[] }[] }} Timeline
 */

/** @returns {Timeline[]} */
function timelines() {
  if (!existsSync(recordings())) return []
  return readdirSync(recordings()).flatMap((id) => {
    const file = path.join(recordings(), id, 'timeline.json')
    return existsSync(file) ? [JSON.parse(readFileSync(file, 'utf8'))] : []
  })
}

/** @param {string} what @param {() => boolean} holds */
async function until(what, holds) {
  for (const end = Date.now() + PATIENCE; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 50))) if (holds()) return
  throw new Error(`in ${PATIENCE} ms not: ${what}`)
}

/** Waits until a timeline is as wanted. @param {string} what @param {(timeline: Timeline) => boolean} wanted */
async function timeline(what, wanted) {
  for (const end = Date.now() + PATIENCE; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 100))) {
    const found = timelines().find(wanted)
    if (found) return found
  }
  throw new Error(`no timeline ${what}: ${JSON.stringify(timelines())}`)
}

/** @param {Timeline} recording @param {Part} part */
const fileOf = (recording, part) => path.join(recordings(), recording.id, part.name)

/** What FFmpeg complains of when it decodes all of a file. @param {string} file */
function complaints(file) {
  const { stderr, status } = spawnSync('ffmpeg', ['-v', 'error', '-xerror', '-i', file, '-fps_mode', 'passthrough', '-enc_time_base:v', '1:1000', '-f', 'null', '-'], { encoding: 'utf8' })
  return status === 0 ? stderr.trim() : `it ended with ${status}: ${stderr.trim()}`
}

/** @param {string} file */
function probe(file) {
  const text = execFileSync('ffprobe', ['-v', 'error', '-print_format', 'json', '-show_format', '-show_streams', file], { encoding: 'utf8' })
  return /** @type {{ format: { duration?: string }, streams: { codec_name: string, width?: number, height?: number }[] }} */ (JSON.parse(text))
}

/** The colour in the middle of the pictures of the second half, 0 to 359. @param {string} file */
function hueOf(file) {
  const raw = execFileSync('ffmpeg', ['-v', 'error', '-sseof', '-4', '-i', file, '-an', '-vf', 'crop=iw/2:ih/4:iw/4:0,scale=1:1,format=rgb24', '-f', 'rawvideo', '-'])
  let [r, g, b] = [0, 0, 0]
  for (let at = 0; at + 2 < raw.length; at += 3) [r, g, b] = [r + (raw[at] ?? 0), g + (raw[at + 1] ?? 0), b + (raw[at + 2] ?? 0)]
  const [most, least] = [Math.max(r, g, b), Math.min(r, g, b)]
  const turn = most === r ? (g - b) / (most - least) : most === g ? 2 + (b - r) / (most - least) : 4 + (r - g) / (most - least)
  return (turn * 60 + 360) % 360
}

/** Samples at 8 kHz from the beginning of a file. @param {string} file */
function samples(file) {
  const raw = execFileSync('ffmpeg', ['-v', 'error', '-i', file, '-vn', '-af', 'aresample=async=1:first_pts=0', '-ac', '1', '-ar', '8000', '-f', 's16le', '-'], { maxBuffer: 1 << 28 })
  return new Int16Array(raw.buffer, raw.byteOffset, raw.length >> 1)
}

/** How much of the sound is of this frequency, 0 to 1. @param {Int16Array} sound @param {number} frequency */
function share(sound, frequency) {
  const [size, step] = [800, (2 * Math.PI * frequency) / 8000]
  let [of, all] = [0, 0]
  for (let at = 0; at + size <= sound.length; at += size) {
    let [re, im, energy] = [0, 0, 0]
    for (let n = 0; n < size; n++) {
      const value = sound[at + n] ?? 0
      re += value * Math.cos(step * n)
      im += value * Math.sin(step * n)
      energy += value * value
    }
    of += (2 * (re * re + im * im)) / size
    all += energy
  }
  return of / all
}

/** When something rises, ms. @param {number} count @param {(at: number) => boolean} is @param {number} each milliseconds from one to the next */
function rises(count, is, each) {
  const found = []
  let quiet = 0
  for (let at = 0; at < count; at++) {
    if (is(at)) {
      if (quiet * each > 500) found.push(at * each)
      quiet = 0
    } else quiet++
  }
  return found
}

/** How much later than its flash each tone begins, ms. @param {string} file */
function claps(file) {
  const light = execFileSync('ffmpeg', ['-v', 'error', '-i', file, '-an', '-vf', 'crop=iw/2:ih/2:iw/4:ih/4,scale=1:1,format=gray,fps=200:start_time=0', '-f', 'rawvideo', '-'], { maxBuffer: 1 << 26 })
  const flashes = rises(light.length, (at) => (light[at] ?? 0) > 150, 5)
  const sound = samples(file)
  const loud = (/** @type {number} */ at) => sound.subarray(at * 40, at * 40 + 40).some((value) => Math.abs(value) > 4000)
  const tones = rises(Math.floor(sound.length / 40), loud, 5)
  const apart = flashes.flatMap((flash) => tones.filter((tone) => Math.abs(tone - flash) < CLAP.every / 2).map((tone) => tone - flash))
  return { flashes, tones, apart: apart.sort((a, b) => a - b) }
}

/** @param {Person} person @param {string} name */
async function choose(person, name) {
  if (!(await person.has(name))) await person.press('More')
  await person.press(name)
}

describe('a meeting is recorded', () => {
  test('a file for each, decoded by FFmpeg; and after the server was killed', async (t) => {
    const room = `${server.url}/r/recorded`
    const arrive = async (/** @type {string} */ name, /** @type {import('./browser/person.mjs').Choices} */ choices) => {
      const person = await Person.arrive(chromium, name, room, choices)
      t.after(() => person.leave())
      return person
    }
    const [ada, bruno, chloe] = [await arrive('Ada', { hue: 0 }), await arrive('Bruno', {}), await arrive('Chloé', { hue: 240 })]
    // Bruno claps: his page is opened anew with the clapper in it.
    await bruno.page.evaluateOnNewDocument(paintClapper, CLAP)
    await bruno.page.reload({ waitUntil: 'domcontentloaded' })
    const all = [ada, bruno, chloe]
    for (const person of all) await person.introduce()
    await ada.press('Join')
    await ada.says('Waiting for the other one')
    await bruno.press('Join')
    await ada.says('In a call with')
    await chloe.press('Join')
    for (const person of all) await person.says('In a meeting with')
    const sign = `begun by ${ada.name}`

    /** @type {Timeline} */
    let first
    await t.test('an owner begins, everybody is told, and an owner ends', async () => {
      assert(!(await bruno.has('Record the meeting')))
      await choose(ada, 'Record the meeting')
      for (const person of all) await person.reads(sign)
      await ada.screenshot('recording')
      const done = (/** @type {Timeline} */ it) => it.duration >= LONG && it.people.filter((person) => person.files.length > 0).length === 3
      await timeline('of some length with three files', done)
      await choose(ada, 'Record the meeting')
      first = await timeline('that is finished', (it) => it.state === 'finished')
      assert.deepEqual(first.people.map((it) => it.person.name).sort(), all.map((it) => it.name).sort())
      for (const person of all) await person.until('the sign is gone', async () => !(await person.page.evaluate((text) => document.body.innerText.includes(text), sign)))
    })

    await t.test('every file is whole and shows whom it should', () => {
      for (const person of first.people) {
        assert.equal(person.files.length, 1, JSON.stringify(person))
        const [part] = person.files
        if (!part) throw new Error('there is one')
        const file = fileOf(first, part)
        assert.equal(complaints(file), '', part.name)
        const { format, streams } = probe(file)
        assert(Math.abs(Number(format.duration) * 1000 - part.duration) < 100, `${format.duration} s, ${part.duration} ms`)
        assert(part.duration > LONG * 0.7, `${part.duration} ms of ${first.duration}`)
        assert.deepEqual(streams.map((it) => it.codec_name).sort(), [...part.codecs].sort())
        t.diagnostic(`${part.name}: ${part.codecs.join('+')}, ${streams.map((it) => (it.width ? `${it.width}x${it.height}` : '')).join('')}, ${part.duration} ms, ${part.bytes} bytes`)
      }
      const of = (/** @type {string} */ name) => {
        const part = first.people.find((it) => it.person.name === name)?.files[0]
        if (!part) throw new Error(`no file of ${name}`)
        return fileOf(first, part)
      }
      for (const [name, hue] of /** @type {const} */ ([[ada.name, 0], [chloe.name, 240]])) {
        const found = hueOf(of(name))
        const apart = Math.min(Math.abs(found - hue), 360 - Math.abs(found - hue))
        assert(apart < 20, `${name} is of hue ${found}, not ${hue}`)
      }
      const tone = share(samples(of(ada.name)), TONE)
      assert(tone > 0.5, `${tone} of Ada's sound is her tone`)
      const { flashes, tones, apart } = claps(of(bruno.name))
      const median = apart[apart.length >> 1] ?? NaN
      t.diagnostic(`tones after flashes: ${apart.join(', ')} ms (${flashes.length} flashes, ${tones.length} tones)`)
      assert(flashes.length >= 4 && apart.length >= 4, `${flashes} ${tones}`)
      assert(Math.abs(median) <= APART, `sound and picture are ${median} ms apart`)
    })

    await t.test('who began it gets it over HTTP, plays it and nobody else does', async () => {
      const identity = (/** @type {Person} */ person) => person.page.evaluate(() => localStorage.getItem('visavis.identity') ?? '')
      const list = async (/** @type {Person} */ person) => (await fetch(`${server.url}/recordings`, { headers: { authorization: `Bearer ${await identity(person)}` } })).json()
      assert.deepEqual(await list(bruno), [])
      const [entry] = await list(ada)
      assert.equal(entry.id, first.id)
      const link = `${server.url}${entry.files[0].link}`
      const part = await fetch(link, { headers: { range: 'bytes=4-19' } })
      const whole = Buffer.from(await (await fetch(link)).arrayBuffer())
      assert.deepEqual([part.status, Buffer.from(await part.arrayBuffer())], [206, whole.subarray(4, 20)])
      assert.equal(whole.length, entry.files[0].bytes)
      assert.equal((await fetch(link.replace(/key=../, 'key=AA'))).status, 403)
      assert.equal((await fetch(`${server.url}/recordings/${first.id}`, { method: 'DELETE', headers: { authorization: `Bearer ${await identity(bruno)}` } })).status, 404)
      await choose(ada, 'Recordings')
      await ada.press(`Play: ${chloe.name}`)
      await ada.until('it plays', () => ada.page.evaluate(() => {
        const video = document.querySelector('dialog video')
        return video instanceof HTMLVideoElement && video.currentTime > 0.5 && video.videoWidth > 0 && Number.isFinite(video.duration)
      }))
      await ada.screenshot('recordings')
      // The picture that comes may move the button away from under the mouse.
      await ada.until('the list is closed', async () => {
        await ada.page.$eval('dialog[open]', (dialog) => dialog instanceof HTMLDialogElement && dialog.close()).catch(() => {})
        return (await ada.page.$('dialog[open]')) === null
      })
    })

    await t.test('what was written when the server is killed can be played, and is finished at the next start', async () => {
      await choose(ada, 'Record the meeting')
      for (const person of all) await person.reads(sign)
      const killed = await timeline('that goes on', (it) => it.state === 'recording' && it.duration > 4000 && it.people.filter((person) => (person.files[0]?.bytes ?? 0) > 50_000).length === 3)
      await server.halt('SIGKILL')
      for (const person of killed.people) {
        for (const part of person.files) {
          const { stdout } = spawnSync('ffprobe', ['-v', 'error', '-count_packets', '-select_streams', 'v', '-show_entries', 'stream=nb_read_packets', '-of', 'csv=p=0', fileOf(killed, part)], { encoding: 'utf8' })
          assert(Number(stdout) > 30, `${part.name} has ${stdout} pictures`)
        }
      }
      await server.start()
      const found = await timeline('that was finished at the start', (it) => it.id === killed.id && it.state === 'interrupted')
      for (const person of found.people) {
        for (const part of person.files) {
          assert.equal(complaints(fileOf(found, part)), '', part.name)
          assert(Math.abs(Number(probe(fileOf(found, part)).format.duration) * 1000 - part.duration) < 100)
          assert(part.duration > 3000, `${part.name}: ${part.duration} ms`)
        }
      }
      const listed = execFileSync(program(), ['recordings', 'list', '--data', path.dirname(recordings())], { encoding: 'utf8' })
      assert(listed.includes(found.id) && listed.includes('interrupted') && listed.includes('finished'), listed)
      execFileSync(program(), ['recordings', 'delete', first.id, '--data', path.dirname(recordings())])
      assert(!existsSync(path.join(recordings(), first.id)))
    })

    await t.test('with a store it goes there, is played from there, is found by another server, and is deleted', async () => {
      const store = await S3.with('films')
      t.after(() => store.stop())
      Object.assign(process.env, store.environment)
      const flags = ['--recording-store', 's3://films/of/us', '--recording-store-endpoint', store.url]
      server.argv.push(...flags)
      await server.halt('SIGKILL')
      await server.start()
      const [recording] = timelines()
      if (!recording) throw new Error('there is one')
      const kept = path.join(recordings(), recording.id)
      await until('only the timeline is here', () => readdirSync(kept).join() === 'timeline.json')
      const parts = recording.people.flatMap((person) => person.files)
      const names = [...parts.map((part) => part.name), 'timeline.json'].sort()
      assert.deepEqual(store.objects('films'), names.map((name) => `of/us/${recording.id}/${name}`))
      assert.match(await (await fetch(`${server.url}/metrics`)).text(), /^visavis_recordings_waiting 0$/m)

      const headers = { authorization: `Bearer ${await ada.page.evaluate(() => localStorage.getItem('visavis.identity') ?? '')}` }
      const [entry] = await (await fetch(`${server.url}/recordings`, { headers })).json()
      for (const file of entry.files) assert.equal(complaints(server.url + file.link), '', file.name)
      const link = server.url + entry.files[0].link
      const whole = Buffer.from(await (await fetch(link)).arrayBuffer())
      assert.equal(whole.length, parts[0]?.bytes)
      const some = await fetch(link, { headers: { range: 'bytes=-100' } })
      assert.deepEqual([some.status, Buffer.from(await some.arrayBuffer())], [206, whole.subarray(-100)])
      await choose(ada, 'Recordings')
      await ada.press(`Play: ${chloe.name}`)
      await ada.until('it plays', () => ada.page.evaluate(() => {
        const video = document.querySelector('dialog video')
        return video instanceof HTMLVideoElement && video.currentTime > 0.5 && video.videoWidth > 0
      }))

      const other = await Visavis.local(flags)
      t.after(() => other.stop())
      const visavis = (/** @type {string[]} */ argv, /** @type {NodeJS.ProcessEnv} */ env = process.env) =>
        spawnSync(program(), ['recordings', ...argv, '--data', other.argv[other.argv.indexOf('--data') + 1] ?? '', ...flags], { env, encoding: 'utf8' })
      await until('the other server lists it', () => visavis(['list']).stdout.split('\n').some((line) => line.startsWith(recording.id) && line.endsWith(', in the store')))
      const copy = path.join(folder, 'copy')
      const wrong = visavis(['export', recording.id, copy], { ...process.env, AWS_SECRET_ACCESS_KEY: 'another' })
      assert(wrong.status === 1 && /the store of recordings: .*403 Forbidden/.test(wrong.stderr), wrong.stderr)
      assert(!existsSync(copy))
      assert.equal(visavis(['export', recording.id, copy]).status, 0)
      assert.deepEqual(readdirSync(copy).sort(), names)
      assert(readFileSync(path.join(copy, entry.files[0].name)).equals(whole))

      await store.halt()
      assert.equal((await fetch(link)).status, 503)
      await store.start()
      assert.equal((await fetch(`${server.url}/recordings/${recording.id}`, { method: 'DELETE', headers })).status, 204)
      assert.deepEqual([store.objects('films'), existsSync(kept), (await fetch(link)).status], [[], false, 404])
    })
  })
})
