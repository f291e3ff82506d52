/** What is tried with every stack, in both roles, over one connection as long as all goes well. */
import assert from 'node:assert/strict'
import { decoded, films, recording } from './films.mjs'
import { KNOWN_PATIENCE } from './sides.mjs'

/** @typedef {import('./sides.mjs').Side} Side */

/** Bytes of the messages that are tried; those that a side cannot send or take are left out. */
const SIZES = [0, 1, 1000, 65_535, 200_000]
const FLOOD = { count: 200, size: 16_384 }
/** Messages to and fro that must still pass after a restart of ICE. */
const ROUNDS = 5

/** Two sides, and which of them offered first. */
export class Link {
  /** @param {Side} ours @param {Side} theirs @param {boolean} weOffer */
  constructor(ours, theirs, weOffer) {
    this.ours = ours
    this.theirs = theirs
    this.offerer = weOffer ? ours : theirs
    /** The largest message each side takes. @type {Map<Side, number>} */
    this.most = new Map()
    this.rounds = 0
    /** User fragments of ICE so far. @type {Set<string | undefined>} */
    this.used = new Set()
  }

  /** @param {Side} side */
  other(side) {
    return side === this.ours ? this.theirs : this.ours
  }

  /** One exchange of descriptions. @param {Side} offerer @returns {Promise<{ fresh: boolean }>} whether the credentials of ICE are new on both sides */
  async negotiate(offerer) {
    const answerer = this.other(offerer)
    for (const side of [offerer, answerer]) side.candidatesTo(null)
    const open = (/** @type {Side} */ from, /** @type {Side} */ to) =>
      from.candidatesTo((candidate) => void to.act('candidate', candidate).catch((error) => to.hear({ event: 'refused', error: String(error) })))
    const offer = await offerer.act('offer')
    const answer = await answerer.act('answer', { sdp: offer })
    if (!offerer.waits) open(offerer, answerer)
    // Whoever waits gets no candidate before its answer is in force either: the answer names none, they follow it.
    await offerer.act('take', { sdp: offerer.waits ? answer.replace(/a=(candidate:.*|end-of-candidates)\r\n/g, '') : answer })
    if (offerer.waits) open(offerer, answerer)
    open(answerer, offerer)
    for (const [side, sdp] of /** @type {const} */ ([[offerer, offer], [answerer, answer]])) {
      // Without the attribute 64 kB (RFC 8841 section 6.1); 0 means any size.
      const most = Number(/a=max-message-size:(\d+)/.exec(sdp)?.[1] ?? 65_536)
      this.most.set(side, most === 0 ? Infinity : most)
    }
    const fragments = [offer, answer].map((sdp) => /a=ice-ufrag:(\S+)/.exec(sdp)?.[1])
    const fresh = fragments.every((fragment) => !this.used.has(fragment))
    for (const fragment of fragments) this.used.add(fragment)
    return { fresh }
  }

  /** A channel, open at both ends. @param {Side} opener @param {import('./w3c.mjs').Task} init */
  async open(opener, init) {
    await opener.act('create', init)
    return this.#opened(opener, init['label'])
  }

  /** @param {Side} opener @param {string} label */
  async #opened(opener, label) {
    const opened = await Promise.all([this.other(opener).until({ event: 'open', label, remote: true }), opener.until({ event: 'open', label, remote: false })])
    return opened[0]
  }

  /** From the first offer to an open channel `main`. */
  async connect() {
    const began = performance.now()
    await this.offerer.act('create', { label: 'main' })
    await this.negotiate(this.offerer)
    await this.#opened(this.offerer, 'main')
    return Math.round(performance.now() - began)
  }

  /** One message, which must arrive as it was. @param {Side} from @param {string} label @param {'text' | 'binary'} kind @param {string} data */
  async say(from, label, kind, data) {
    const heard = this.other(from).until({ event: 'message', label })
    heard.catch(() => {})
    await from.act('send', { label, kind, data })
    const message = await heard
    assert.equal(message['kind'], kind)
    assert.ok(message['data'] === data, `${kind} of ${data.length} characters from ${from.name} came as ${message['data'].length}: ${message['data'].slice(0, 20)}`)
  }

  /** Messages to and fro until told to stop. */
  async chat(/** @type {() => boolean} */ goesOn) {
    while (goesOn()) {
      for (const side of [this.ours, this.theirs]) await this.say(side, 'main', 'text', `round ${this.rounds} of ${side.name}`)
      this.rounds++
    }
  }

  /** Waits no longer than for what is known to fail. */
  hurry() {
    for (const side of [this.ours, this.theirs]) side.patience = KNOWN_PATIENCE
  }

  async end() {
    await Promise.all([this.ours.end(), this.theirs.end()])
  }
}

/** @param {number} size @param {number} seed */
function content(size, seed) {
  const bytes = Buffer.alloc(size)
  for (let at = 0, x = seed; at < size; at++) bytes[at] = (x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0) >>> 24
  return bytes
}

/** So many bytes of UTF-8, with characters of two, three and four bytes. @param {number} size */
const words = (size) => (size < 9 ? 'a'.repeat(size) : 'é€😀' + 'abcdefghi\n'.repeat(size / 10 + 1).slice(0, size - 9))

/** @param {Link} link */
async function sizes(link) {
  for (const from of [link.ours, link.theirs]) {
    for (const size of SIZES.filter((size) => size >= Math.max(from.least, link.other(from).takes) && size <= Math.min(from.sends, link.most.get(link.other(from)) ?? 0))) {
      await link.say(from, 'main', 'text', words(size))
      await link.say(from, 'main', 'binary', content(size, size + 1).toString('hex'))
    }
  }
}

/** Channels of every kind, whose properties arrive. @param {Link} link */
async function kinds(link) {
  const shapes = [{ ordered: false }, { maxRetransmits: 0, protocol: 'spoken' }, { ordered: false, maxPacketLifeTime: 500 }]
  for (const opener of [link.ours, link.theirs]) {
    for (const [n, shape] of shapes.entries()) {
      const label = `kind ${n} of ${opener.name}`
      const seen = await link.open(opener, { label, ...shape })
      const whole = { ordered: true, maxRetransmits: null, maxPacketLifeTime: null, protocol: '', ...shape }
      for (const [name, value] of Object.entries(whole)) {
        // Not every stack can be asked.
        if (name in seen) assert.equal(seen[name] ?? null, value, `${name} of the channel that ${opener.name} opened`)
      }
      for (const side of [opener, link.other(opener)]) await link.say(side, label, 'binary', content(5000, n).toString('hex'))
    }
  }
}

/** Names in every alphabet. @param {Link} link */
async function names(link) {
  for (const opener of [link.ours, link.theirs]) {
    const [label, protocol] = [`“é€😀” of ${opener.name}`, 'é€😀']
    const seen = await link.open(opener, { label, protocol })
    assert.equal(seen['protocol'], protocol)
    await link.say(opener, label, 'text', label)
  }
}

/** Megabytes both ways at the same time, in order. @param {Link} link */
async function flood(link) {
  await link.open(link.offerer, { label: 'flood' })
  const bytes = content(FLOOD.size, 1)
  let hash = 0x811c9dc5
  for (let n = 0; n < FLOOD.count; n++) {
    bytes.writeUInt32BE(n, 0)
    bytes.writeUInt32BE(FLOOD.count, 4)
    for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
  }
  const sides = [link.ours, link.theirs]
  const counted = sides.map((side) => side.until({ event: 'tally', label: 'flood' }, 20_000))
  for (const side of sides) await side.act('send', { label: 'flood', kind: 'binary', data: bytes.toString('hex'), count: FLOOD.count })
  for (const { messages, bytes, hash: theirs } of await Promise.all(counted)) {
    assert.deepEqual({ messages, bytes, hash: theirs }, { messages: FLOOD.count, bytes: FLOOD.count * FLOOD.size, hash: hash >>> 0 })
  }
}

/** A channel of each side, closed by this one: both hear it. @param {(link: Link) => Side} who @returns {(link: Link) => Promise<void>} */
const closing = (who) => async (link) => {
  const closer = who(link)
  for (const opener of [link.ours, link.theirs]) {
    const label = `opened by ${opener.name}, closed by ${closer.name}`
    await link.open(opener, { label })
    await link.say(closer, label, 'text', 'the last word')
    await closer.act('close channel', { label })
    await Promise.all([link.ours, link.theirs].map((side) => side.until({ event: 'closed', label })))
  }
  // The number of the channel can be used again.
  await link.open(closer, { label: `after ${closer.name}` })
}

/** ICE starts anew while messages pass. @param {(link: Link) => Side} who @returns {(link: Link) => Promise<void>} */
const restarting = (who) => async (link) => {
  let last = Infinity
  const chat = link.chat(() => link.rounds < last)
  chat.catch(() => {})
  link.ours.forget()
  await who(link).act('restart')
  const { fresh } = await link.negotiate(who(link))
  // The other side may speak before ours has a path, never after it without one.
  await Promise.race([link.ours.until({ event: 'pair' }), chat])
  last = link.rounds + ROUNDS
  await chat
  assert.ok(fresh, 'both sides have new credentials')
}

/** @param {Link} link */
async function theyEnd(link) {
  link.ours.forget()
  await link.theirs.act('close')
  await link.ours.until({ event: 'closed', label: 'main' })
}

/** @param {Link} link */
async function weEnd(link) {
  await link.say(link.ours, 'main', 'text', 'the end')
  link.theirs.forget()
  await link.ours.act('close')
  await link.theirs.until({ event: 'closed', label: 'main' })
}

/** We have no UDP: it connects to our listener, or we to its. @param {Link} link */
async function overTcp(link) {
  const { pair } = await link.ours.act('stats')
  assert.ok(pair.startsWith('TCP '), pair)
  await sizes(link)
}

/** Sound and pictures both ways at the same time, from the first description on. @param {'VP8' | 'H264'} codec @returns {(link: Link) => Promise<void>} */
const showing = (codec) => async (link) => {
  const made = films()
  const record = recording(codec)
  const sides = [link.ours, link.theirs]
  for (const side of sides) await side.act('media', { codec, video: made[codec], audio: made.audio, record })
  await link.negotiate(link.offerer)
  await Promise.all(sides.flatMap((side) => ['video', 'audio'].map((kind) => side.until({ event: 'media', kind }, 2 * side.patience))))
  await Promise.all(sides.map((side) => side.act('close').catch(() => {})))
  await link.ours.end()
  const { pictures, sounds } = decoded(record)
  assert.ok(pictures >= 35 && sounds >= 35, `of what came, ${pictures} pictures and ${sounds} pieces of sound can be decoded`)
}

/**
 * The steps by name, and what our side is `bound` to: a version of DTLS, or TCP. A step that `ends` has used its connection up,
 * and one that `begins` wants two sides that know nothing of each other.
 *
 * @type {Record<string, { run: (link: Link) => Promise<void>, bound?: '1.2' | '1.3' | 'tcp', begins?: boolean, ends?: boolean }>}
 */
export const STEPS = {
  sizes: { run: sizes },
  kinds: { run: kinds },
  names: { run: names },
  flood: { run: flood },
  'we close': { run: closing(({ ours }) => ours) },
  'they close': { run: closing(({ theirs }) => theirs) },
  'we restart': { run: restarting(({ ours }) => ours) },
  'they restart': { run: restarting(({ theirs }) => theirs) },
  'they end': { run: theyEnd, ends: true },
  'DTLS 1.2': { run: weEnd, bound: '1.2', ends: true },
  'DTLS 1.3': { run: weEnd, bound: '1.3', ends: true },
  TCP: { run: overTcp, bound: 'tcp', ends: true },
  media: { run: showing('VP8'), begins: true, ends: true },
  'H.264': { run: showing('H264'), begins: true, ends: true },
}
