/**
 * A file on its way out: which bytes go next, and the hashes of the blocks that went by.
 *
 * One block of the file is in memory at a time, however large the file is.
 */
import { CHUNK, WINDOW, type BulkFrame } from './bulk.js'
import { BLOCK, leafHash, rootHash } from './filehash.js'

export class OutgoingFile {
  /** Bytes the receiver is known to have. */
  kept = 0
  private next = 0
  private ended = false
  /** Counts the seeks: a frame that was begun before the last one belongs to a channel that is gone. */
  private seeks = 0
  private leaves: Uint8Array[] = []
  private block: { readonly index: number; readonly bytes: Uint8Array<ArrayBuffer> } | null = null

  constructor(readonly number: number, private readonly file: Blob) {}

  /** Sends from this byte on. Past the end makes no sense and is taken for the end. */
  seek(at: number): void {
    this.next = this.kept = Math.min(at, this.file.size)
    this.ended = false
    this.seeks++
  }

  keep(at: number): void {
    this.kept = Math.max(this.kept, Math.min(at, this.next))
  }

  /** Whether a frame can go now. */
  ready(): boolean {
    if (this.ended) return false
    return this.next === this.file.size || this.next - this.kept < WINDOW
  }

  /**
   * The next frame; null if the receiver asked for another place meanwhile. Throws what the browser throws when the
   * file cannot be read (any more).
   */
  async frame(): Promise<BulkFrame | null> {
    const { seeks, next: offset } = this
    if (offset === this.file.size) {
      this.ended = true
      const bytes = await this.root()
      return seeks === this.seeks ? { file: this.number, offset, end: true, bytes } : null
    }
    const block = await this.read(Math.floor(offset / BLOCK))
    if (seeks !== this.seeks) return null
    const inside = offset % BLOCK
    const bytes = block.subarray(inside, Math.min(inside + CHUNK, block.length))
    this.next += bytes.length
    return { file: this.number, offset, end: false, bytes }
  }

  private async root(): Promise<Uint8Array<ArrayBuffer>> {
    // Blocks before the byte that a resume began at may never have been read here.
    for (let index = 0; index * BLOCK < this.file.size; index++) if (this.leaves[index] === undefined) await this.read(index)
    const hex = await rootHash(this.file.size, this.leaves)
    return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16))
  }

  private async read(index: number): Promise<Uint8Array<ArrayBuffer>> {
    if (this.block?.index === index) return this.block.bytes
    const end = Math.min((index + 1) * BLOCK, this.file.size)
    const bytes = new Uint8Array(await this.file.slice(index * BLOCK, end).arrayBuffer())
    if (bytes.length !== end - index * BLOCK) throw new Error('the file has become shorter')
    this.leaves[index] ??= await leafHash(bytes)
    this.block = { index, bytes }
    return bytes
  }
}
