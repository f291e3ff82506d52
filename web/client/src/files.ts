/**
 * Files straight between the two: the offers and answers on the control channel, the bytes on the bulk channel.
 *
 * Several files go at once, a frame of each in turn. When the channels break, running transfers pause; on the next
 * channels the sender offers again what is not finished and the receiver answers each with where it stands: `take`
 * from its next byte, `done`, or `stop`. So nothing about a break needs to be remembered.
 */
import { readFrame, writeFrame } from './bulk.js'
import type { Control, StopReason } from './control.js'
import type { Clock } from './environment.js'
import { IncomingFile } from './incoming.js'
import type { FileTransfer } from './model.js'
import { OutgoingFile } from './outgoing.js'
import { safeName, type OpenSink } from './sink.js'

/** Transfers remembered; the oldest finished go first. */
const TRANSFERS_MOST = 100
/** Offers of the other side that wait for an answer. */
const OFFERS_MOST = 32
/** Bytes in the browser's own buffer above which we wait, and below which it tells us. */
const BUFFER_HIGH = 1 << 20
const BUFFER_LOW = 256 << 10
/** Milliseconds between two reports of progress. */
const REPORT_EVERY = 200

/** The part of RTCDataChannel that is used. */
export type BulkChannel = Pick<RTCDataChannel, 'bufferedAmount' | 'bufferedAmountLowThreshold' | 'onbufferedamountlow' | 'readyState'> & {
  send(data: ArrayBuffer): void
}

export type FileMessage = Extract<Control, { file: number }>

interface Entry {
  shown: FileTransfer
  readonly number: number
  readonly mime: string
  out: OutgoingFile | null
  in: IncomingFile | null
  measured: { at: number; done: number }
}

export interface FilesHost {
  readonly clock: Clock
  newNumber(): number
  readonly openSink: OpenSink
  send(message: Control): void
  changed(files: readonly FileTransfer[]): void
}

export class Files {
  /** Frames and messages that nobody asked for: dropped. */
  dropped = 0
  private entries: Entry[] = []
  private channel: BulkChannel | null = null
  private pumping = false
  private turn = 0

  constructor(private readonly host: FilesHost) {}

  /** Offers files to the other side. */
  offer(files: readonly File[]): void {
    for (const file of files) {
      const number = this.host.newNumber()
      const name = safeName(file.name)
      this.add(number, { mine: true, name, size: file.size }, file.type, new OutgoingFile(number, file))
      this.host.send({ type: 'file-offer', file: number, name, size: file.size, mime: file.type })
    }
    this.report()
  }

  /** Takes an offered file. To be called from the person's click, because a dialog may open. */
  async take(id: string): Promise<void> {
    const entry = this.waiting(id)
    if (entry === undefined) return
    const { name, size } = entry.shown
    const sink = await this.host.openSink({ name, size, mime: entry.mime })
    if (sink === null) return
    if (entry.shown.state !== 'offered' || entry.in !== null) return sink.abort()
    entry.in = new IncomingFile(size, sink, {
      progress: (at, tell) => {
        if (tell && this.channel !== null) this.host.send({ type: 'file-kept', file: entry.number, at })
        this.progress(entry, at)
      },
      done: (url) => {
        this.host.send({ type: 'file-done', file: entry.number })
        this.show(entry, { state: 'done', done: size, url, rate: 0 })
      },
      failed: () => this.finish(entry, 'failed', true),
    })
    this.show(entry, { state: this.channel === null ? 'paused' : 'running' })
    this.host.send({ type: 'file-take', file: entry.number, at: 0 })
  }

  refuse(id: string): void {
    const entry = this.waiting(id)
    if (entry) this.finish(entry, 'refused', true)
  }

  cancel(id: string): void {
    const entry = this.entries.find(({ shown }) => shown.id === id)
    if (entry && !isOver(entry)) this.finish(entry, 'cancelled', true)
  }

  /** New channels are open. */
  resume(channel: BulkChannel): void {
    this.channel = channel
    channel.bufferedAmountLowThreshold = BUFFER_LOW
    channel.onbufferedamountlow = () => this.pump()
    for (const { shown, number, mime, out } of this.entries) {
      if (out && !isOver({ shown })) this.host.send({ type: 'file-offer', file: number, name: shown.name, size: shown.size, mime })
    }
  }

  /** The channels are gone. */
  pause(): void {
    if (this.channel) this.channel.onbufferedamountlow = null
    this.channel = null
    for (const entry of this.entries) if (entry.shown.state === 'running') this.show(entry, { state: 'paused', rate: 0 })
  }

  /** The other page is a new one: what it was sending is lost with the old. */
  otherPage(): void {
    for (const entry of this.entries) if (!entry.shown.mine && !isOver(entry)) this.finish(entry, 'failed', false)
  }

  /** The call is over. */
  close(): void {
    this.pause()
    for (const entry of this.entries) if (!isOver(entry)) this.finish(entry, 'failed', false)
  }

  /** A message about a file. */
  control(message: FileMessage): void {
    const entry = this.entries.find(({ number }) => number === message.file)
    if (message.type === 'file-offer') return this.offered(message, entry)
    if (entry === undefined || (isOver(entry) && message.type !== 'file-stop')) {
      this.dropped++
      return
    }
    switch (message.type) {
      case 'file-take':
      case 'file-kept':
      case 'file-done':
        return entry.out === null ? void this.dropped++ : this.answered(entry, entry.out, message)
      case 'file-stop':
        if (!isOver(entry)) this.finish(entry, message.why, false)
        return
    }
  }

  /** A message of the bulk channel. */
  bytes(data: unknown): void {
    const frame = readFrame(data)
    const entry = frame && this.entries.find(({ number }) => number === frame.file)
    if (!frame || !entry?.in?.take(frame)) this.dropped++
  }

  private offered(message: Extract<FileMessage, { type: 'file-offer' }>, known: Entry | undefined): void {
    if (known === undefined) {
      const waiting = this.entries.filter(({ shown }) => !shown.mine && shown.state === 'offered').length
      if (waiting >= OFFERS_MOST) return this.host.send({ type: 'file-stop', file: message.file, why: 'refused' })
      this.add(message.file, { mine: false, name: safeName(message.name), size: message.size }, message.mime, null)
      return this.report()
    }
    if (known.shown.mine) {
      this.dropped++
      return
    }
    switch (known.shown.state) {
      case 'offered':
        return
      case 'done':
        return this.host.send({ type: 'file-done', file: known.number })
      case 'running':
      case 'paused':
        if (known.in === null) return
        known.in.resumed()
        this.host.send({ type: 'file-take', file: known.number, at: known.in.at })
        return this.show(known, { state: 'running' })
      case 'refused':
      case 'cancelled':
      case 'failed':
        return this.host.send({ type: 'file-stop', file: known.number, why: known.shown.state })
    }
  }

  private answered(entry: Entry, out: OutgoingFile, message: Extract<FileMessage, { type: 'file-take' | 'file-kept' | 'file-done' }>): void {
    switch (message.type) {
      case 'file-take':
        out.seek(message.at)
        this.show(entry, { state: 'running', done: out.kept })
        return void this.pump()
      case 'file-kept':
        out.keep(message.at)
        this.progress(entry, out.kept)
        return void this.pump()
      case 'file-done':
        return this.show(entry, { state: 'done', done: entry.shown.size, rate: 0 })
    }
  }

  /** Sends frames, of each running file in turn, until there is nothing to send or the buffer is full. */
  private async pump(): Promise<void> {
    if (this.pumping) return
    this.pumping = true
    try {
      for (let channel = this.channel; channel !== null; channel = this.channel) {
        if (channel.readyState !== 'open' || channel.bufferedAmount > BUFFER_HIGH) return
        const entry = this.nextReady()
        if (entry === null) return
        await this.sendFrame(entry, channel)
      }
    } finally {
      this.pumping = false
    }
  }

  private async sendFrame(entry: Entry, channel: BulkChannel): Promise<void> {
    try {
      const frame = await entry.out?.frame()
      if (frame && this.channel === channel && channel.readyState === 'open' && entry.shown.state === 'running') channel.send(writeFrame(frame))
    } catch {
      // The file cannot be read any more, or the channel broke at this moment: in the latter case it is taken up again.
      if (this.channel === channel && channel.readyState === 'open') this.finish(entry, 'failed', true)
    }
  }

  private nextReady(): Entry | null {
    const count = this.entries.length
    for (let step = 0; step < count; step++) {
      const index = (this.turn + step) % count
      const entry = this.entries[index]
      if (entry?.shown.state === 'running' && entry.out?.ready()) {
        this.turn = index + 1
        return entry
      }
    }
    return null
  }

  private waiting(id: string): Entry | undefined {
    return this.entries.find(({ shown }) => shown.id === id && !shown.mine && shown.state === 'offered')
  }

  private add(number: number, file: Pick<FileTransfer, 'mine' | 'name' | 'size'>, mime: string, out: OutgoingFile | null): void {
    const shown: FileTransfer = { ...file, id: `${file.mine ? 'out' : 'in'}-${number}`, done: 0, rate: 0, state: 'offered', url: null }
    this.entries.push({ shown, number, mime, out, in: null, measured: { at: this.host.clock.now(), done: 0 } })
    while (this.entries.length > TRANSFERS_MOST) {
      const oldest = this.entries.findIndex(isOver)
      if (oldest < 0) return
      const [gone] = this.entries.splice(oldest, 1)
      if (gone?.shown.url) URL.revokeObjectURL(gone.shown.url)
    }
  }

  private finish(entry: Entry, why: StopReason, tell: boolean): void {
    entry.in?.cancel()
    this.show(entry, { state: why, rate: 0 })
    if (tell) this.host.send({ type: 'file-stop', file: entry.number, why })
  }

  private progress(entry: Entry, done: number): void {
    if (entry.shown.state !== 'running') return
    const now = this.host.clock.now()
    const elapsed = now - entry.measured.at
    if (elapsed < REPORT_EVERY) return
    const rate = ((done - entry.measured.done) * 1000) / elapsed
    entry.measured = { at: now, done }
    this.show(entry, { done, rate: entry.shown.rate === 0 ? Math.max(0, rate) : Math.max(0, entry.shown.rate * 0.7 + rate * 0.3) })
  }

  private show(entry: Entry, change: Partial<FileTransfer>): void {
    if (change.state === 'running') entry.measured = { at: this.host.clock.now(), done: entry.out?.kept ?? entry.in?.at ?? 0 }
    entry.shown = { ...entry.shown, ...change }
    this.report()
  }

  private report(): void {
    this.host.changed(this.entries.map(({ shown }) => shown))
  }
}

function isOver({ shown }: Pick<Entry, 'shown'>): boolean {
  return shown.state !== 'offered' && shown.state !== 'running' && shown.state !== 'paused'
}
