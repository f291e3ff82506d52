/**
 * What of a frame stays readable, because the browser's packetizer or the server reads it, and what is encrypted.
 *
 * The server looks at RTP headers, header extensions (the loudness of a voice) and payload descriptors, which are
 * outside the frame, and at the first bytes of a frame only to tell keyframes, and their height. A browser's
 * packetizer looks for the units of H.264 and AV1. So these stay as they are, authenticated but not encrypted:
 *
 * - Opus: nothing.
 * - VP8: the frame tag of 3 bytes; of a keyframe 10, with start code and size (RFC 6386 §9.1).
 * - VP9: nothing; what a forwarder needs stands in the payload descriptor (RFC 9628 §4.2).
 * - H.264: parameter sets and everything else before the first slice, and the header of that slice's unit. What follows
 *   becomes the content of that one unit, with the bytes escaped that would look like a start code (ITU-T H.264 §7.4.1).
 * - AV1: sequence headers; all other OBUs become the content of one OBU of type "frame".
 */
import { concat, type Bytes } from './bytes.js'

export type Codec = 'opus' | 'vp8' | 'vp9' | 'h264' | 'av1'

/** A frame to be encrypted. */
export interface Parts {
  /** Goes before the ciphertext. */
  readonly clear: Uint8Array
  /** What is authenticated besides: `clear` in a form that survives packets. */
  readonly metadata: Uint8Array
  readonly secret: Uint8Array
}

/** An encrypted frame. */
export interface Sealed {
  readonly clear: Uint8Array
  readonly metadata: Uint8Array
  readonly sealed: Uint8Array
}

/** The codec of a MIME type such as `video/VP8`; null for one that is not known here. */
export function codecOf(mimeType: string): Codec | null {
  const name = mimeType.toLowerCase().split('/')[1] ?? ''
  return name === 'opus' || name === 'vp8' || name === 'vp9' || name === 'h264' || name === 'av1' ? name : null
}

/** Cuts a frame; null if it is none of that codec. */
export function divide(codec: Codec, frame: Uint8Array): Parts | null {
  switch (codec) {
    case 'opus':
    case 'vp9':
      return cut(frame, 0)
    case 'vp8': return frame.length >= vp8Head(frame) ? cut(frame, vp8Head(frame)) : null
    case 'h264': return divideH264(frame)
    case 'av1': return divideAv1(frame)
  }
}

/** Puts an encrypted frame together. */
export function join(codec: Codec, { clear }: Parts, sealed: Uint8Array): Bytes {
  switch (codec) {
    case 'opus':
    case 'vp8':
    case 'vp9':
      return concat(clear, sealed)
    case 'h264': return concat(clear, escape(sealed), Uint8Array.of(TRAILING))
    case 'av1': return concat(clear, obu(Uint8Array.of(FRAME << 3), sealed))
  }
}

/** Takes an encrypted frame apart; null if it is none. */
export function part(codec: Codec, frame: Uint8Array): Sealed | null {
  switch (codec) {
    case 'opus':
    case 'vp9':
      return { clear: frame.subarray(0, 0), metadata: frame.subarray(0, 0), sealed: frame }
    case 'vp8': {
      const head = vp8Head(frame)
      return frame.length < head ? null : { clear: frame.subarray(0, head), metadata: frame.subarray(0, head), sealed: frame.subarray(head) }
    }
    case 'h264': return partH264(frame)
    case 'av1': return partAv1(frame)
  }
}

/** The frame as it was. */
export function restore({ clear }: Sealed, secret: Uint8Array): Bytes {
  return concat(clear, secret)
}

function cut(frame: Uint8Array, head: number): Parts {
  const clear = frame.subarray(0, head)
  return { clear, metadata: clear, secret: frame.subarray(head) }
}

/** The lowest bit of a frame says that it is no keyframe. */
function vp8Head(frame: Uint8Array): number {
  return (frame[0] ?? 1) & 1 ? 3 : 10
}

/** What ends an H.264 unit here, because zeroes at its end would be lost. */
const TRAILING = 0x80
const NON_IDR = 1
const IDR = 5

interface Unit {
  /** Where its start code begins, and where its header stands. */
  readonly from: number
  readonly at: number
  /** Behind its last byte that is not part of a start code. */
  readonly to: number
}

/** The units of a byte stream (ITU-T H.264 Annex B). */
function units(frame: Uint8Array): Unit[] {
  const starts: { from: number; at: number }[] = []
  for (let at = 0; at + 3 <= frame.length; at++) {
    if (frame[at] !== 0 || frame[at + 1] !== 0 || frame[at + 2] !== 1) continue
    starts.push({ from: at > 0 && frame[at - 1] === 0 ? at - 1 : at, at: at + 3 })
    at += 2
  }
  return starts.map(({ from, at }, index) => ({ from, at, to: starts[index + 1]?.from ?? frame.length })).filter(({ at, to }) => at < to)
}

/** The unit of the first slice, and the units before it without their start codes, which packets do not keep. */
function firstSlice(frame: Uint8Array): { readonly slice: Unit; readonly metadata: Bytes } | null {
  const all = units(frame)
  const isSlice = ({ at }: Unit) => [NON_IDR, IDR].includes((frame[at] ?? 0) & 0x1f)
  const slice = all.find(isSlice)
  if (slice === undefined) return null
  const before = all.slice(0, all.indexOf(slice)).map(({ at, to }) => frame.subarray(at, to))
  return { slice, metadata: concat(...before, frame.subarray(slice.at, slice.at + 1)) }
}

function divideH264(frame: Uint8Array): Parts | null {
  const found = firstSlice(frame)
  // What carries no picture, such as parameter sets alone, says nothing that is not clear in every keyframe.
  if (found === null) return null
  const head = found.slice.at + 1
  return { clear: frame.subarray(0, head), metadata: found.metadata, secret: frame.subarray(head) }
}

function partH264(frame: Uint8Array): Sealed | null {
  const found = firstSlice(frame)
  if (found === null) return null
  const { at, to } = found.slice
  const end = frame.subarray(0, to).lastIndexOf(TRAILING)
  return end <= at ? null : { clear: frame.subarray(0, at + 1), metadata: found.metadata, sealed: unescape(frame.subarray(at + 1, end)) }
}

/** Puts a 3 between two zeroes and what would make a start code of them. */
export function escape(bytes: Uint8Array): Bytes {
  const out: number[] = []
  let zeroes = 0
  for (const byte of bytes) {
    if (zeroes >= 2 && byte <= 3) {
      out.push(3)
      zeroes = 0
    }
    out.push(byte)
    zeroes = byte === 0 ? zeroes + 1 : 0
  }
  return Uint8Array.from(out)
}

/** Takes it out again. */
export function unescape(bytes: Uint8Array): Bytes {
  const out = new Uint8Array(bytes.length)
  let length = 0
  let zeroes = 0
  for (const byte of bytes) {
    if (zeroes >= 2 && byte === 3) {
      zeroes = 0
      continue
    }
    out[length++] = byte
    zeroes = byte === 0 ? zeroes + 1 : 0
  }
  return out.subarray(0, length)
}

const SEQUENCE_HEADER = 1
const TEMPORAL_DELIMITER = 2
const FRAME = 6
const HAS_SIZE = 0x02
const HAS_EXTENSION = 0x04

interface Obu { readonly type: number; readonly header: Uint8Array; readonly content: Uint8Array }

/** The OBUs of a temporal unit in the low-overhead format (AV1 specification §5.2); null if it is none. */
function obus(frame: Uint8Array): Obu[] | null {
  const found: Obu[] = []
  let at = 0
  while (at < frame.length) {
    const first = frame[at] ?? 0
    const headerLength = first & HAS_EXTENSION ? 2 : 1
    const size = first & HAS_SIZE ? leb128(frame, at + headerLength) : { value: frame.length - at - headerLength, length: 0 }
    if (size === null || size.value < 0) return null
    const begin = at + headerLength + size.length
    if (begin + size.value > frame.length) return null
    found.push({ type: (first >> 3) & 0x0f, header: frame.subarray(at, at + headerLength), content: frame.subarray(begin, begin + size.value) })
    at = begin + size.value
  }
  return found
}

function leb128(bytes: Uint8Array, from: number): { readonly value: number; readonly length: number } | null {
  let value = 0
  for (let length = 1; length <= 5; length++) {
    const byte = bytes[from + length - 1]
    if (byte === undefined) return null
    value += (byte & 0x7f) * 2 ** (7 * (length - 1))
    if ((byte & 0x80) === 0) return { value, length }
  }
  return null
}

/** An OBU that tells its size. */
function obu(header: Uint8Array, content: Uint8Array): Bytes {
  const size: number[] = []
  let rest = content.length
  do {
    size.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
    rest >>>= 7
  } while (rest > 0)
  return concat(header.map((byte, at) => (at === 0 ? byte | HAS_SIZE : byte)), Uint8Array.from(size), content)
}

function divideAv1(frame: Uint8Array): Parts | null {
  const all = obus(frame)?.filter(({ type }) => type !== TEMPORAL_DELIMITER) ?? null
  if (all === null || all.length === 0) return null
  const [clear, secret] = [true, false].map((is) => concat(...all.filter(({ type }) => (type === SEQUENCE_HEADER) === is).map(({ header, content }) => obu(header, content))))
  return clear && secret ? { clear, metadata: clear, secret } : null
}

function partAv1(frame: Uint8Array): Sealed | null {
  const all = obus(frame)?.filter(({ type }) => type !== TEMPORAL_DELIMITER) ?? []
  const clear = concat(...all.filter(({ type }) => type === SEQUENCE_HEADER).map(({ header, content }) => obu(header, content)))
  const [frames, ...more] = all.filter(({ type }) => type !== SEQUENCE_HEADER)
  return frames?.type === FRAME && more.length === 0 ? { clear, metadata: clear, sealed: frames.content } : null
}
