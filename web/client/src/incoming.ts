/**
 * A file on its way in: gathers blocks, hashes and writes them one after the other, and says in the end whether it
 * is the file that was sent.
 */
import { WINDOW, type BulkFrame } from './bulk.js'
import { BLOCK, leafHash, rootHash } from './filehash.js'
import type { FileSink } from './sink.js'

/** Tell the sender after this many bytes. */
const TELL_EVERY = 128 << 10
/** With this many bytes waiting to be written, the sender hears nothing and so stops at its window. */
const BACKLOG_MOST = 4 << 20

export interface IncomingEvents {
  /** Bytes up to here are here; `tell` if the sender should know. */
  progress(at: number, tell: boolean): void
  done(url: string | null): void
  failed(): void
}

export class IncomingFile {
  /** The next byte that is wanted. */
  at = 0
  private told = 0
  private backlog = 0
  private over = false
  private block: Uint8Array<ArrayBuffer>
  private fill = 0
  private readonly leaves: Uint8Array[] = []
  private work: Promise<void> = Promise.resolve()

  constructor(private readonly size: number, private readonly sink: FileSink, private readonly events: IncomingEvents) {
    this.block = this.emptyBlock()
  }

  /** Takes a frame; false if it was not what is wanted now, and was dropped. */
  take(frame: BulkFrame): boolean {
    if (this.over) return false
    if (frame.end) {
      this.end(frame)
      return true
    }
    if (frame.offset !== this.at || frame.bytes.length === 0) return false
    // More than was offered, or more than the window allows: not what was agreed.
    if (this.at + frame.bytes.length > this.size || this.backlog > BACKLOG_MOST + 2 * WINDOW) {
      this.fail()
      return true
    }
    this.append(frame.bytes)
    this.tell()
    return true
  }

  cancel(): void {
    if (this.over) return
    this.over = true
    void this.work.then(() => this.sink.abort())
  }

  /** Forgets what it told, because the sender was told where to go on. */
  resumed(): void {
    this.told = this.at
  }

  private append(bytes: Uint8Array): void {
    let rest = bytes
    while (rest.length > 0) {
      const part = rest.subarray(0, this.block.length - this.fill)
      this.block.set(part, this.fill)
      this.fill += part.length
      this.at += part.length
      rest = rest.subarray(part.length)
      if (this.fill === this.block.length) this.flush()
    }
  }

  private flush(): void {
    const block = this.block
    this.backlog += block.length
    this.fill = 0
    this.block = this.emptyBlock()
    this.enqueue(async () => {
      this.leaves.push(await leafHash(block))
      await this.sink.write(block)
      this.backlog -= block.length
      if (!this.over) this.tell()
    })
  }

  /** A block for what comes next, no longer than what is missing. */
  private emptyBlock(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(Math.min(BLOCK, this.size - this.at))
  }

  private tell(): void {
    const tell = this.backlog <= BACKLOG_MOST && (this.at - this.told >= TELL_EVERY || (this.at === this.size && this.told < this.at))
    if (tell) this.told = this.at
    this.events.progress(this.at, tell)
  }

  private end(frame: BulkFrame): void {
    const expected = [...frame.bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
    if (frame.offset !== this.size || this.at !== this.size) return this.fail()
    this.enqueue(async () => {
      const root = await rootHash(this.size, this.leaves)
      if (this.over) return
      if (root !== expected) return this.fail()
      const url = await this.sink.close()
      this.over = true
      this.events.done(url)
    })
  }

  private enqueue(step: () => Promise<void>): void {
    this.work = this.work.then(async () => {
      if (!this.over) await step()
    }).catch(() => this.fail())
  }

  private fail(): void {
    if (this.over) return
    this.cancel()
    this.events.failed()
  }
}
