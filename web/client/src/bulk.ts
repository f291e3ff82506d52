/**
 * The frames of the bulk channel, which carries the bytes of all files:
 *
 *      0        4                 12
 *     +--------+------------------+----------------
 *     |  file  | E      offset    | bytes …
 *     +--------+------------------+----------------
 *
 * `file` is the number from the offer, `offset` (63 bits, big-endian like all) where the bytes belong. With the E bit
 * the frame ends the file: the offset is its size and the bytes are its root hash (filehash.ts). The end travels on
 * this channel, because nothing orders the two channels against each other.
 */
export const HEADER = 12
/** Bytes of a file in one frame: small enough that the chat beside it does not wait long. */
export const CHUNK = 16_384
/** Bytes that may be under way and not yet known to be kept. */
export const WINDOW = 8 << 20

const END = 1n << 63n

export interface BulkFrame {
  readonly file: number
  readonly offset: number
  readonly end: boolean
  readonly bytes: Uint8Array<ArrayBuffer>
}

export function writeFrame(frame: BulkFrame): ArrayBuffer {
  const out = new Uint8Array(HEADER + frame.bytes.length)
  const view = new DataView(out.buffer)
  view.setUint32(0, frame.file)
  view.setBigUint64(4, BigInt(frame.offset) | (frame.end ? END : 0n))
  out.set(frame.bytes, HEADER)
  return out.buffer
}

/** The frame in a message, or null if it is none. */
export function readFrame(data: unknown): BulkFrame | null {
  if (!(data instanceof ArrayBuffer) || data.byteLength < HEADER) return null
  const view = new DataView(data)
  const word = view.getBigUint64(4)
  const offset = Number(word & (END - 1n))
  if (!Number.isSafeInteger(offset)) return null
  return { file: view.getUint32(0), offset, end: (word & END) !== 0n, bytes: new Uint8Array(data, HEADER) }
}
