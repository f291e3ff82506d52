/**
 * Who is in an encrypted room: an ECDH key pair (P-256) for as long as a page lives, vouched for by the secret in the
 * link, which the server never sees. Between two members it makes a key for each direction; together the public keys
 * make the safety code of the room.
 */
import { bigEndian, concat, fromBase64url, utf8, type Bytes } from './bytes.js'
import type { BaseKey } from './keyring.js'
import { BASE_KEY } from './sframe.js'

/** The secret in a link, in bytes: 22 characters. */
const SECRET = 16
/** An uncompressed point of P-256. */
export const PUBLIC_KEY = 65
export const PROOF = 32
const NONCE = 12
const TAG = 16
/** Generation, step, base key. */
const CONTENT = 4 + 1 + BASE_KEY
/** A sealed base key, in bytes. */
export const BOX = NONCE + CONTENT + TAG
const CURVE = { name: 'ECDH', namedCurve: 'P-256' }

/** Whether a link's key is one. */
export function isLinkKey(text: string): boolean {
  return fromBase64url(text, SECRET) !== null
}

/** What everybody with the link has in common, for one room. */
export class Link {
  private constructor(private readonly secret: Bytes, private readonly mac: CryptoKey) {}

  /** From the key in the link of that room; the key has to be one. */
  static async open(room: string, key: string): Promise<Link> {
    const secret = fromBase64url(key, SECRET)
    if (secret === null) throw new Error('the key of a link is 16 bytes in base64url')
    const shared = await derive(secret, new Uint8Array(0), label('visavis e2ee 1 link', utf8(room)), 32)
    return new Link(shared, await crypto.subtle.importKey('raw', shared, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify']))
  }

  /** Shows that whoever has this public key, under this number, has the link. */
  prove(member: number, publicKey: Bytes): Promise<Bytes> { return this.proveText(vouched(member, publicKey)) }

  verify(member: number, publicKey: Bytes, proof: Bytes): Promise<boolean> { return this.verifyText(vouched(member, publicKey), proof) }

  /** Shows that whoever says this, which begins with what it is for, has the link. */
  async proveText(said: Bytes): Promise<Bytes> {
    return new Uint8Array(await crypto.subtle.sign('HMAC', this.mac, said))
  }

  verifyText(said: Bytes, proof: Bytes): Promise<boolean> {
    return crypto.subtle.verify('HMAC', this.mac, proof, said)
  }

  /** The keys between two, from what only they can compute and what only who has the link knows. */
  async between(own: Identity, other: Bytes): Promise<Pair> {
    const theirs = await crypto.subtle.importKey('raw', other, CURVE, false, [])
    const shared = new Uint8Array(await crypto.subtle.deriveBits({ name: 'ECDH', public: theirs }, own.privateKey, 256))
    const direction = async (from: Bytes, to: Bytes, usage: KeyUsage) => {
      const key = await derive(shared, this.secret, label('visavis e2ee 1 pair', from, to), 32)
      return crypto.subtle.importKey('raw', key, 'AES-GCM', false, [usage])
    }
    return new Pair(await direction(own.publicKey, other, 'encrypt'), await direction(other, own.publicKey, 'decrypt'))
  }
}

/** Our own key pair. The private key cannot leave the browser. */
export class Identity {
  private constructor(readonly publicKey: Bytes, readonly privateKey: CryptoKey) {}

  static async make(): Promise<Identity> {
    const { publicKey, privateKey } = await crypto.subtle.generateKey(CURVE, false, ['deriveBits'])
    return new Identity(new Uint8Array(await crypto.subtle.exportKey('raw', publicKey)), privateKey)
  }
}

/** What passes between two members and nobody else. */
export class Pair {
  constructor(private readonly out: CryptoKey, private readonly back: CryptoKey) {}

  /** A base key for the other one. */
  async seal(from: number, to: number, { generation, step, key }: BaseKey): Promise<Bytes> {
    const iv = crypto.getRandomValues(new Uint8Array(NONCE))
    const content = concat(bigEndian(generation, 4), Uint8Array.of(step), key)
    const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData: addressed(from, to) }, this.out, content)
    return concat(iv, new Uint8Array(sealed))
  }

  /** A base key from the other one; null if it is not theirs, for us. */
  async open(from: number, to: number, box: Bytes): Promise<BaseKey | null> {
    try {
      const iv = box.subarray(0, NONCE)
      const content = new Uint8Array(await crypto.subtle.decrypt({ name: 'AES-GCM', iv, additionalData: addressed(from, to) }, this.back, box.subarray(NONCE)))
      return { generation: new DataView(content.buffer).getUint32(0), step: content[4] ?? 0, key: content.slice(5) }
    } catch {
      return null
    }
  }
}

/** The members' public keys in one canonical text, from which the safety code is made. */
export function gathering(publicKeys: readonly Bytes[]): string {
  return publicKeys.map((key) => [...key].map((byte) => byte.toString(16).padStart(2, '0')).join('')).sort().join('\n')
}

function vouched(member: number, publicKey: Bytes): Bytes {
  return label('visavis e2ee 1 hello', bigEndian(member, 4), publicKey)
}

function addressed(from: number, to: number): Bytes {
  return label('visavis e2ee 1 key', bigEndian(from, 4), bigEndian(to, 4))
}

/** What something is for, then what it is about; the parts have fixed lengths, or there is one. */
function label(purpose: string, ...parts: readonly Bytes[]): Bytes {
  return concat(utf8(purpose), Uint8Array.of(0), ...parts)
}

async function derive(secret: Bytes, salt: Bytes, info: Bytes, length: number): Promise<Bytes> {
  const key = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveBits'])
  return new Uint8Array(await crypto.subtle.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt, info }, key, length * 8))
}
