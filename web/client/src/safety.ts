/**
 * The safety code: digits that the two read to each other to know that nobody sits in between.
 *
 * DTLS proves to each browser that the other end of the media holds the certificate whose fingerprint stands in the
 * description it was given (RFC 8122, RFC 8827 §5.6). The descriptions come through the server; a server that wanted
 * to listen would have to end both connections itself and give each side its own fingerprint instead of the other's.
 * Then the two sides know different pairs of fingerprints, and so their codes differ.
 *
 * The code is PBKDF2-HMAC-SHA-256 over both fingerprints, sorted so that both sides compute the same, under a salt
 * that names its purpose; the first 20 digits of it, 66 bits. It is made slow on purpose: whoever sits in between may choose two
 * certificates of its own until both codes agree, which takes about 2^33 tries against 66 bits; with 200,000
 * iterations (2^18.6 HMACs of two compressions each) that is 2^52 of them, and it has to be done while the call is being
 * set up, because the fingerprints of the two are made new for every call.
 *
 * What it does not prove: that the person is who they say (one knows a voice, not a name), or that the page itself,
 * which the server delivers, is honest. It changes when either side loads its page anew, because that makes a new
 * certificate.
 */
import { fingerprint } from './sdp.js'

const ITERATIONS = 200_000
const SALT = 'visavis safety code 1'
const GROUPS = 5
const GROUP_DIGITS = 4

/** The two fingerprints in one canonical text; null until both are known and each side's sections agree. */
export function fingerprintPair(local: string, remote: string): string | null {
  const mine = fingerprint(local)
  const theirs = fingerprint(remote)
  return mine === null || theirs === null ? null : [mine, theirs].sort().join('\n')
}

/** The code of a pair, e.g. `4821 9034 1177 0265 9913`. */
export function safetyCode(pair: string): Promise<string> {
  return safetyCodeOf(SALT, new TextEncoder().encode(pair))
}

/** The code of a text, for a purpose. */
export async function safetyCodeOf(purpose: string, text: Uint8Array<ArrayBuffer>): Promise<string> {
  const key = await crypto.subtle.importKey('raw', text, 'PBKDF2', false, ['deriveBits'])
  const salt = new TextEncoder().encode(purpose)
  const derived = await crypto.subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt, iterations: ITERATIONS }, key, 128)
  // 128 bits reduced to 20 digits: the bias is below 2^-61.
  const number = new Uint8Array(derived).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
  const digits = (number % 10n ** BigInt(GROUPS * GROUP_DIGITS)).toString().padStart(GROUPS * GROUP_DIGITS, '0')
  return digits.match(/.{4}/g)?.join(' ') ?? digits
}
