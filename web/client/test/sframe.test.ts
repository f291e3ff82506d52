/** SFrame against the vectors of RFC 9605, and against whatever may come. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Bytes } from '../src/e2ee/bytes.js'
import { kidOf, readKid, SOURCES } from '../src/e2ee/keys.js'
import { divide, escape, join, part, restore, unescape, type Codec } from '../src/e2ee/payload.js'
import { AES_128_GCM_SHA256_128, AES_256_GCM_SHA512_128, BASE_KEY, HEADER_MOST, ratchet, readHeader, SFrameKey, writeHeader } from '../src/e2ee/sframe.js'

interface Vector { cipher_suite: number; kid: number; ctr: number; base_key: string; metadata: string; pt: string; ct: string }
const vectors = JSON.parse(readFileSync(new URL('./vectors/sframe.json', import.meta.url), 'utf8')) as { header: [string, string, string][]; sframe: Vector[] }
const hex = (text: string): Bytes => Uint8Array.from(Buffer.from(text, 'hex'))
const shown = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** A small generator (xorshift), so that every run is the same. */
function chance(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}
const bytesOf = (next: (below: number) => number, length: number): Bytes => Uint8Array.from({ length }, () => next(256))

describe('a header', () => {
  test('is that of every vector', () => {
    expect(vectors.header.length).toBe(289)
    for (const [kid, ctr, encoded] of vectors.header) {
      expect(shown(writeHeader(BigInt(kid), BigInt(ctr)))).toBe(encoded)
      expect(readHeader(hex(encoded))).toEqual({ kid: BigInt(kid), ctr: BigInt(ctr), length: encoded.length / 2 })
      for (let length = 0; length < encoded.length / 2; length++) expect(readHeader(hex(encoded).subarray(0, length))).toBeNull()
    }
  })

  test('of any bytes is none, or written again is those bytes', () => {
    const next = chance(7)
    let read = 0
    for (let round = 0; round < 20_000; round++) {
      const bytes = bytesOf(next, next(HEADER_MOST + 3))
      const header = readHeader(bytes)
      if (header === null) continue
      read++
      expect(shown(writeHeader(header.kid, header.ctr))).toBe(shown(bytes.subarray(0, header.length)))
    }
    expect(read).toBeGreaterThan(1_000)
  })

  test.each([['a KID', '88', '8000'], ['a CTR', '08', '0807']])('with %s that is longer than it has to be is refused', (_, start, whole) => {
    expect(readHeader(hex(start))).toBeNull()
    expect(readHeader(hex(whole))).toBeNull()
  })

  test('has numbers of 64 bits at most', () => {
    expect(() => writeHeader(1n << 64n, 0n)).toThrow(RangeError)
    expect(() => writeHeader(0n, -1n)).toThrow(RangeError)
  })
})

describe('a frame', () => {
  test.each(vectors.sframe.map((vector) => [vector.cipher_suite, vector] as const))('of suite %i is that of its vector', async (id, vector) => {
    const suite = [AES_128_GCM_SHA256_128, AES_256_GCM_SHA512_128].find((it) => it.id === id)
    const key = await SFrameKey.derive(BigInt(vector.kid), hex(vector.base_key), suite)
    expect(shown(await key.seal(BigInt(vector.ctr), hex(vector.pt), hex(vector.metadata)))).toBe(vector.ct)
    const header = readHeader(hex(vector.ct))
    expect(header && shown((await key.open(header, hex(vector.ct), hex(vector.metadata))) ?? Uint8Array.of())).toBe(vector.pt)
  })

  test('with one bit changed anywhere, cut, or with other metadata is not opened', async () => {
    const key = await SFrameKey.derive(0x123n, hex('00'.repeat(32)))
    const metadata = Uint8Array.of(1, 2)
    const sealed = await key.seal(300n, Uint8Array.of(5, 6, 7), metadata)
    const open = async (bytes: Uint8Array, about: Uint8Array) => {
      const header = readHeader(bytes)
      return header && key.open(header, bytes, about)
    }
    expect(await open(sealed, metadata)).toEqual(Uint8Array.of(5, 6, 7))
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const bent = sealed.slice()
      bent[bit >> 3] = (bent[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(await open(bent, metadata), `bit ${bit}`).toBeNull()
    }
    for (let length = 0; length < sealed.length; length++) expect(await open(sealed.subarray(0, length), metadata)).toBeNull()
    expect(await open(sealed, Uint8Array.of(1, 3))).toBeNull()
  })

  test('a ratcheted key is another, and always the same', async () => {
    const first = hex('11'.repeat(BASE_KEY))
    const second = await ratchet(first)
    expect(second.length).toBe(BASE_KEY)
    expect(shown(await ratchet(first))).toBe(shown(second))
    expect(shown(await ratchet(second))).not.toBe(shown(second))
  })
})

test('a KID names member, source, generation and step', () => {
  for (const member of [0, 1, 255, 0xffff_ffff]) {
    for (const source of SOURCES) {
      for (const [generation, step] of [[0, 0], [15, 15], [17, 3]] as const) {
        expect(readKid(kidOf(member, source, generation, step))).toEqual({ member, source, generation: generation % 16, step })
      }
    }
  }
  expect(readKid(1n << 42n)).toBeNull()
})

const START = [0, 0, 0, 1]
const frames: [Codec, string, number[], number[]][] = [
  ['opus', 'anything', [0x78, 1, 2, 3], []],
  ['vp8', 'a keyframe', [0x10, 2, 0, 0x9d, 1, 0x2a, 0x80, 2, 0x68, 1, 77, 78], [0x10, 2, 0, 0x9d, 1, 0x2a, 0x80, 2, 0x68, 1]],
  ['vp8', 'another frame', [0x11, 2, 3, 77, 78], [0x11, 2, 3]],
  ['vp9', 'a keyframe', [0x82, 0x49, 0x83, 0x42], []],
  ['h264', 'a keyframe', [...START, 0x67, 1, 2, 3, ...START, 0x68, 9, ...START, 0x65, 77, 0, 0, 3, 1, 78], [...START, 0x67, 1, 2, 3, ...START, 0x68, 9, ...START, 0x65]],
  ['h264', 'two slices', [0, 0, 1, 0x41, 77, 78, 0, 0, 1, 0x41, 79], [0, 0, 1, 0x41]],
  ['av1', 'a keyframe', [0x0a, 2, 5, 6, 0x32, 3, 7, 8, 9], [0x0a, 2, 5, 6]],
  ['av1', 'a frame with an extension', [0x36, 0x28, 3, 7, 8, 9], []],
]

describe('what of a frame stays readable', () => {
  test.each(frames)('of %s: %s', (codec, _, bytes, clear) => {
    const frame = Uint8Array.from(bytes)
    const parts = divide(codec, frame)
    expect(parts && [...parts.clear]).toEqual(clear)
    if (!parts) return
    const next = chance(3)
    for (let round = 0; round < 200; round++) {
      // What is encrypted is longer, and any bytes; those that must not stand in a unit are the likeliest here.
      const sealed = Uint8Array.from({ length: 20 + next(20) }, () => (next(2) ? next(4) : next(256)))
      const whole = join(codec, parts, sealed)
      expect([...whole.subarray(0, clear.length)]).toEqual(clear)
      if (codec === 'h264') expect(startsOf(whole)).toBe(startsOf(parts.clear))
      const found = part(codec, whole)
      expect(found && [shown(found.sealed), shown(found.metadata)]).toEqual([shown(sealed), shown(parts.metadata)])
      expect(found && shown(restore(found, parts.secret))).toBe(shown(frame))
    }
  })

  test('of H.264 is the same when packets have made all start codes alike', () => {
    const frame = Uint8Array.from([0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x65, 77])
    const parts = divide('h264', frame)
    if (!parts) throw new Error('it is a frame')
    const [whole, sealed] = [join('h264', parts, Uint8Array.of(0, 0, 1, 9)), Uint8Array.of(0, 0, 1, 9)]
    const again = Uint8Array.from([...START, 0x67, 1, 2, ...START, ...whole.subarray(9)])
    const found = part('h264', again)
    expect(found && [shown(found.sealed), shown(found.metadata)]).toEqual([shown(sealed), shown(parts.metadata)])
  })

  test.each<[Codec, number[]]>([['h264', []], ['h264', [1, 2, 3]], ['h264', [...START, 0x67, 1]], ['h264', [...START]], ['av1', []], ['av1', [0x32, 9, 1]], ['av1', [0x32, 0x80]], ['vp8', []], ['vp8', [0x11, 1]], ['vp8', [0x10, 1, 2, 3, 4, 5, 6, 7, 8]]])('%s: %j is none', (codec, bytes) => {
    expect(divide(codec, Uint8Array.from(bytes))).toBeNull()
  })

  test('any bytes are taken apart without an error', () => {
    const next = chance(11)
    for (let round = 0; round < 20_000; round++) {
      const codec = (['opus', 'vp8', 'vp9', 'h264', 'av1'] as const)[next(5)] ?? 'opus'
      const bytes = Uint8Array.from({ length: next(40) }, () => (next(2) ? next(4) : next(256)))
      part(codec, bytes)
      const parts = divide(codec, bytes)
      if (parts && codec !== 'av1') expect(parts.clear.length + parts.secret.length).toBe(bytes.length)
    }
  })

  test('what is escaped has no start code, and comes back', () => {
    const next = chance(5)
    for (let round = 0; round < 5_000; round++) {
      const bytes = Uint8Array.from({ length: next(30) }, () => next(5))
      const escaped = escape(bytes)
      expect(startsOf(escaped)).toBe(0)
      expect(shown(unescape(escaped))).toBe(shown(bytes))
    }
  })
})

function startsOf(bytes: Uint8Array): number {
  let count = 0
  for (let at = 0; at + 2 < bytes.length; at++) if (bytes[at] === 0 && bytes[at + 1] === 0 && (bytes[at + 2] ?? 9) <= 2) count++
  return count - [...bytes.keys()].filter((at) => bytes[at] === 0 && bytes[at + 1] === 0 && bytes[at + 2] === 0 && bytes[at + 3] === 1).length
}
