/**
 * SFrame (RFC 9605): a header with the key's number (KID) and a counter (CTR), and what is encrypted.
 *
 * ```text
 *  0 1 2 3 4 5 6 7
 * |X|  K  |Y|  C  |  X: K is how many bytes of KID follow, less one; otherwise K is the KID. Y and C: the same for CTR
 * |  KID   0 to 8 bytes, CTR   0 to 8 bytes, big-endian, as short as they can be
 * |  ciphertext, with the tag of the AEAD at its end
 * ```
 *
 * The cipher suites are the two with AES-GCM (RFC 9605 §4.5); rooms use AES_128_GCM_SHA256_128.
 */
import { bigEndian, concat, utf8, type Bytes } from './bytes.js'

/** A cipher suite: its number in the registry (RFC 9605 §8.1), its hash, and the length of its key in bytes. */
export interface Suite { readonly id: number; readonly hash: 'SHA-256' | 'SHA-512'; readonly key: number }

export const AES_128_GCM_SHA256_128: Suite = { id: 4, hash: 'SHA-256', key: 16 }
export const AES_256_GCM_SHA512_128: Suite = { id: 5, hash: 'SHA-512', key: 32 }

/** The length of the tag, and of the nonce, in bytes. */
export const TAG = 16
const NONCE = 12
/** The longest header in bytes. */
export const HEADER_MOST = 17
const U64_MOST = 0xffff_ffff_ffff_ffffn

export interface Header {
  readonly kid: bigint
  readonly ctr: bigint
  /** Its own length in bytes. */
  readonly length: number
}

/** Writes a header (RFC 9605 §4.3). Both numbers are below 2^64. */
export function writeHeader(kid: bigint, ctr: bigint): Bytes {
  const [k, kidBytes] = field(kid)
  const [c, ctrBytes] = field(ctr)
  return concat(Uint8Array.of((k << 4) | c), kidBytes, ctrBytes)
}

/** Reads a header; null if there is none, or if a number is written longer than it has to be. */
export function readHeader(bytes: Uint8Array): Header | null {
  const [config] = bytes
  if (config === undefined) return null
  const kidLength = lengthOf(config >> 4)
  const ctrLength = lengthOf(config & 0x0f)
  const length = 1 + kidLength + ctrLength
  if (bytes.length < length) return null
  const kid = kidLength === 0 ? BigInt(config >> 4) : read(bytes, 1, kidLength)
  const ctr = ctrLength === 0 ? BigInt(config & 0x0f) : read(bytes, 1 + kidLength, ctrLength)
  // One spelling only: what is not encrypted cannot be written otherwise on the way.
  return field(kid)[1].length === kidLength && field(ctr)[1].length === ctrLength ? { kid, ctr, length } : null
}

/** Four bits of the first byte, and the bytes that follow. */
function field(value: bigint): readonly [number, Bytes] {
  if (value < 0n || value > U64_MOST) throw new RangeError('a number of SFrame has at most 64 bits')
  if (value < 8n) return [Number(value), new Uint8Array(0)]
  const length = Math.ceil(value.toString(16).length / 2)
  return [0x08 | (length - 1), bigEndian(value, length)]
}

function lengthOf(bits: number): number {
  return bits & 0x08 ? (bits & 0x07) + 1 : 0
}

function read(bytes: Uint8Array, at: number, length: number): bigint {
  let value = 0n
  for (const byte of bytes.subarray(at, at + length)) value = (value << 8n) | BigInt(byte)
  return value
}

/** What is encrypted with one KID. */
export class SFrameKey {
  private constructor(readonly kid: bigint, private readonly key: CryptoKey, private readonly salt: Bytes) {}

  /** The key of that number from a base key (RFC 9605 §4.4.2). */
  static async derive(kid: bigint, baseKey: Bytes, suite: Suite = AES_128_GCM_SHA256_128): Promise<SFrameKey> {
    const base = await crypto.subtle.importKey('raw', baseKey, 'HKDF', false, ['deriveBits'])
    const expand = (label: string, length: number) => hkdf(base, suite, concat(utf8(label), bigEndian(kid, 8), bigEndian(suite.id, 2)), length)
    const [key, salt] = await Promise.all([expand('SFrame 1.0 Secret key ', suite.key), expand('SFrame 1.0 Secret salt ', NONCE)])
    return new SFrameKey(kid, await crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt', 'decrypt']), salt)
  }

  /** Encrypts (RFC 9605 §4.4.3): header and ciphertext. A counter is used once with a key, or the key is lost. */
  async seal(ctr: bigint, plaintext: Uint8Array, metadata: Uint8Array): Promise<Bytes> {
    const header = writeHeader(this.kid, ctr)
    const sealed = await crypto.subtle.encrypt(this.algorithm(ctr, header, metadata), this.key, plaintext as Bytes)
    return concat(header, new Uint8Array(sealed))
  }

  /** Decrypts what follows a header (RFC 9605 §4.4.4); null if it is not what was encrypted with this key. */
  async open({ ctr, length }: Header, sealed: Uint8Array, metadata: Uint8Array): Promise<Bytes | null> {
    if (sealed.length < length + TAG) return null
    const header = sealed.subarray(0, length)
    try {
      return new Uint8Array(await crypto.subtle.decrypt(this.algorithm(ctr, header, metadata), this.key, sealed.subarray(length) as Bytes))
    } catch {
      return null
    }
  }

  private algorithm(ctr: bigint, header: Uint8Array, metadata: Uint8Array): AesGcmParams {
    const counter = bigEndian(ctr, NONCE)
    return { name: 'AES-GCM', iv: this.salt.map((byte, at) => byte ^ (counter[at] ?? 0)), additionalData: concat(header, metadata), tagLength: TAG * 8 }
  }
}

/** The base key after this one (RFC 9605 §5.1): from it nobody comes back to this one. */
export async function ratchet(baseKey: Bytes): Promise<Bytes> {
  const base = await crypto.subtle.importKey('raw', baseKey, 'HKDF', false, ['deriveBits'])
  return hkdf(base, AES_128_GCM_SHA256_128, utf8('SFrame 1.0 Ratchet'), BASE_KEY)
}

/** The length of a base key in bytes: that of the hash. */
export const BASE_KEY = 32

async function hkdf(base: CryptoKey, { hash }: Suite, info: Bytes, length: number): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.deriveBits({ name: 'HKDF', hash, salt: new Uint8Array(0), info }, base, length * 8))
}
