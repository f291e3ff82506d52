/**
 * The hash of a file that is read in blocks: SHA-256 over a prefix, the size, and the SHA-256 of every block.
 *
 * Web Crypto hashes only what is in memory at once, so a file of any size is hashed block by block:
 *
 *     leaf[i] = SHA-256(block i)          blocks of 1 MiB, the last one shorter
 *     root    = SHA-256("visavis file 1" 00, size as 8 bytes big-endian, leaf[0], leaf[1], …)
 *
 * That costs 32 bytes of memory per MiB. Two files with one root have one size and one content, unless SHA-256
 * breaks: the prefix and the size keep a list of leaves from being taken for anything else.
 */
export const BLOCK = 1 << 20

const PREFIX = new TextEncoder().encode('visavis file 1\0')

export async function leafHash(block: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', block))
}

/** The root in hexadecimal. */
export async function rootHash(size: number, leaves: readonly Uint8Array[]): Promise<string> {
  const all = new Uint8Array(PREFIX.length + 8 + leaves.length * 32)
  all.set(PREFIX)
  new DataView(all.buffer).setBigUint64(PREFIX.length, BigInt(size))
  leaves.forEach((leaf, index) => all.set(leaf, PREFIX.length + 8 + index * 32))
  return [...(await leafHash(all))].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
