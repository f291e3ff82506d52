/**
 * Files in a room. What is offered is said on the room's channel, to everybody or to one; the bytes go straight from the
 * member who offers to each who takes, by a way of their own (fileway.ts), so that nobody waits for anybody else and the
 * server keeps nothing. Progress, resuming and the check of the hash are those between two (files.ts).
 *
 *     {"type": "file", "file": 7, "name": "…", "size": 12345, "mime": "…", "to": null}
 *     {"type": "file-gone", "file": 7}
 *
 * and between two of them, whispered:
 *
 *     {"type": "file-way", "file": 7, "of": 1, "way": "…", "description": {…}}     or "candidate": {…}
 *     {"type": "file-way", "file": 7, "of": 1, "way": "…", "no": "busy"}           or "gone"
 */
import { parse, isId, isText } from './control.js'
import type { Environment } from './environment.js'
import { Files } from './files.js'
import { FileWay, type Step } from './fileway.js'
import type { FileTransfer } from './model.js'
import type { Candidate, Description } from './protocol.js'
import { safeName, type FileSink, type OpenSink } from './sink.js'

/** Files that are remembered, ours and those of others. */
const OURS_MOST = 50
const THEIRS_MOST = 100
/** Members who take files of ours at the same time; the others wait for their turn. */
const WAYS_MOST = 8
/** Milliseconds after which a way is tried again that broke, or for which there was no place. */
const AGAIN = 2_000
/** Attempts without a byte of progress after which a file is given up. */
const TRIES_MOST = 15
const NAME_MOST = 255

export interface RoomFilesHost {
  readonly environment: Environment
  readonly openSink: OpenSink
  configuration(): RTCConfiguration
  newId(): string
  you(): number
  /** Those whom we can hear and who can hear us. */
  others(): readonly number[]
  name(member: number): string
  /** To all members. */
  send(message: object): void
  /** To one of them. */
  whisper(to: number, message: object): void
  changed(files: readonly FileTransfer[]): void
}

/** A file of ours. */
interface Ours {
  readonly number: number
  readonly file: File
  readonly to: number | null
  /** Who was told of it. */
  readonly told: Set<number>
  readonly takers: Map<number, { files: Files; way: FileWay | null; shown: FileTransfer | null }>
  gone: boolean
}

/** A file of somebody else's. */
interface Theirs {
  readonly member: number
  readonly number: number
  readonly mime: string
  shown: FileTransfer
  sink: FileSink | null
  files: Files | null
  way: FileWay | null
  tries: number
  retry: (() => void) | null
}

export class RoomFiles {
  /** Messages that were not what this file says: dropped. */
  dropped = 0
  private ours: Ours[] = []
  private theirs: Theirs[] = []
  /** In the order in which they came. */
  private order: string[] = []
  private closed = false

  /** `before` is what was received before. */
  constructor(private readonly host: RoomFilesHost, private readonly before: readonly FileTransfer[]) {}

  /** Offers files to everybody, or to one member. */
  offer(files: readonly File[], to: number | null): void {
    for (const file of files) {
      const live = this.ours.filter(({ gone }) => !gone).length
      if (live >= OURS_MOST) return
      const number = new DataView(this.host.environment.random(new Uint8Array(4)).buffer).getUint32(0)
      this.ours.push({ number, file, to, told: new Set(), takers: new Map(), gone: false })
      this.order.push(`out-${number}`)
    }
    this.look()
    this.report()
  }

  /** Somebody is there who may not know what we offer; or somebody is not there any more. */
  look(): void {
    const here = this.host.others()
    for (const mine of this.ours) {
      if (mine.gone) continue
      const fresh = here.filter((member) => !mine.told.has(member) && (mine.to === null || mine.to === member))
      if (fresh.length === 0) continue
      const first = mine.told.size === 0 && mine.to === null
      for (const member of fresh) mine.told.add(member)
      const message = { type: 'file', file: mine.number, name: safeName(mine.file.name), size: mine.file.size, mime: mine.file.type }
      if (first) this.host.send({ ...message, to: null })
      else for (const to of fresh) this.host.send({ ...message, to })
    }
  }

  /** Those who are in the room now: what the others offered is gone with them. */
  present(members: readonly number[]): void {
    for (const one of this.theirs) if (!members.includes(one.member) && !isOver(one.shown)) this.fail(one, one.shown.state === 'offered' ? 'cancelled' : 'failed')
    for (const mine of this.ours) {
      for (const [member, taker] of mine.takers) {
        if (members.includes(member)) continue
        taker.way?.close()
        taker.files.close()
        mine.told.delete(member)
      }
    }
    this.look()
  }

  /** Takes an offered file. To be called from the person's click, because a dialog may open. */
  async take(id: string): Promise<void> {
    const one = this.theirs.find(({ shown }) => shown.id === id)
    if (one === undefined || one.shown.state !== 'offered' || one.sink !== null) return
    const { name, size } = one.shown
    const sink = await this.host.openSink({ name, size, mime: one.mime })
    if (sink === null) return
    if (this.closed || one.sink !== null || one.shown.state !== 'offered') return sink.abort()
    one.sink = sink
    this.show(one, { state: 'paused' })
    this.reach(one)
  }

  refuse(id: string): void {
    const one = this.theirs.find(({ shown }) => shown.id === id)
    if (one?.shown.state === 'offered') this.fail(one, 'refused')
  }

  cancel(id: string): void {
    const one = this.theirs.find(({ shown }) => shown.id === id)
    if (one && !isOver(one.shown)) return this.fail(one, 'cancelled')
    const mine = this.ours.find(({ number }) => `out-${number}` === id)
    if (!mine || mine.gone) return
    mine.gone = true
    this.host.send({ type: 'file-gone', file: mine.number })
    for (const { files, way, shown } of mine.takers.values()) {
      if (shown && !isOver(shown)) files.cancel(shown.id)
      way?.close()
    }
    this.report()
  }

  /** Whether that was a message about files, on the room's channel. */
  heard(member: number, message: Readonly<Record<string, unknown>>): boolean {
    const { type, file, name, size, mime, to } = message
    if (type !== 'file' && type !== 'file-gone') return false
    const known = this.theirs.find((one) => one.member === member && one.number === file)
    if (type === 'file-gone') {
      if (known && !isOver(known.shown)) this.fail(known, 'cancelled')
      return true
    }
    if (!isNumber(file) || !isText(name, NAME_MOST) || !isSize(size) || typeof mime !== 'string') {
      this.dropped++
      return true
    }
    if (known || (to !== null && to !== this.host.you()) || this.theirs.length >= THEIRS_MOST) return true
    const id = `in-${member}-${file}`
    const shown: FileTransfer = { id, mine: false, from: this.host.name(member), name: safeName(name), size, done: 0, rate: 0, state: 'offered', url: null }
    this.theirs.push({ member, number: file, mime: mime.slice(0, NAME_MOST), shown, sink: null, files: null, way: null, tries: 0, retry: null })
    this.order.push(id)
    this.report()
    return true
  }

  /** Whether that was a message about files, to us alone. */
  whispered(member: number, message: Readonly<Record<string, unknown>>): boolean {
    const { type, file, of, way, no } = message
    if (type !== 'file-way') return false
    const step = readStep(message)
    if (!isNumber(file) || !isId(way) || (step === null && no !== 'busy' && no !== 'gone')) this.dropped++
    else if (of === this.host.you()) this.asked(member, file, way, step)
    else this.answered(member, file, way, step, no)
    return true
  }

  close(): void {
    this.closed = true
    for (const one of this.theirs) {
      one.retry?.()
      one.way?.close()
      one.files?.close()
    }
    for (const { takers } of this.ours) {
      for (const { way, files } of takers.values()) {
        way?.close()
        files.close()
      }
    }
  }

  /** Somebody wants a file of ours, or goes on negotiating the way for it. */
  private asked(member: number, file: number, way: string, step: Step | null): void {
    const mine = this.ours.find(({ number, gone }) => number === file && !gone)
    if (step === null) return
    if (!mine || (mine.to !== null && mine.to !== member)) return this.host.whisper(member, { type: 'file-way', file, of: this.host.you(), way, no: 'gone' })
    const taker = mine.takers.get(member)
    if (taker?.way?.id === way) return taker.way.take(step)
    if (step.description?.type !== 'offer') return
    const running = this.ours.reduce((count, { takers }) => count + [...takers.values()].filter((it) => it.way !== null).length, 0)
    if (running >= WAYS_MOST && !taker?.way) return this.host.whisper(member, { type: 'file-way', file, of: this.host.you(), way, no: 'busy' })
    taker?.way?.close()
    const giving = taker ?? this.give(mine, member)
    giving.way = this.way(way, member, { file, of: this.host.you() }, giving.files, () => {
      giving.way = null
      giving.files.pause()
    })
    giving.way.take(step)
  }

  private give(mine: Ours, member: number): NonNullable<ReturnType<Ours['takers']['get']>> {
    const { environment } = this.host
    const taker: NonNullable<ReturnType<Ours['takers']['get']>> = { way: null, shown: null, files: new Files({
      clock: environment.clock,
      newNumber: () => mine.number,
      openSink: async () => null,
      send: (message) => taker.way?.send(message),
      changed: ([shown]) => {
        taker.shown = shown ?? null
        if (shown && isOver(shown)) this.letGo(taker)
        this.report()
      },
    }) }
    mine.takers.set(member, taker)
    taker.files.offer([mine.file])
    return taker
  }

  /** The file has arrived, or will not: its way is not needed any more, once the last message is on it. */
  private letGo(taker: { way: FileWay | null }): void {
    const { way } = taker
    this.host.environment.clock.after(AGAIN, () => {
      way?.close()
      if (taker.way === way) taker.way = null
    })
  }

  private answered(member: number, file: number, way: string, step: Step | null, no: unknown): void {
    const one = this.theirs.find((it) => it.member === member && it.number === file && it.way?.id === way)
    if (!one) return
    if (step) return one.way?.take(step)
    one.way?.close()
    one.way = null
    if (no === 'gone') return this.fail(one, 'failed')
    // There is no place yet: that is nobody's fault, and no attempt in vain.
    one.tries = 0
    this.later(one)
  }

  /** Makes a way to the one who has the file. */
  private reach(one: Theirs): void {
    one.retry = null
    if (this.closed || isOver(one.shown)) return
    if (one.tries++ >= TRIES_MOST) return this.fail(one, 'failed')
    const files = one.files ??= this.receive(one)
    one.way = this.way(this.host.newId(), one.member, { file: one.number, of: one.member }, files, () => {
      one.way = null
      files.pause()
      if (!isOver(one.shown)) this.later(one)
    })
    one.way.begin()
  }

  private later(one: Theirs): void {
    this.show(one, { state: 'paused', rate: 0 })
    one.retry = this.host.environment.clock.after(AGAIN, () => this.reach(one))
  }

  private receive(one: Theirs): Files {
    const { environment } = this.host
    const files = new Files({
      clock: environment.clock,
      newNumber: () => one.number,
      openSink: async () => one.sink,
      send: (message) => one.way?.send(message),
      changed: ([shown]) => {
        if (!shown || isOver(one.shown)) return
        // It was taken before it was offered on this way.
        if (shown.state === 'offered') return void queueMicrotask(() => void files.take(shown.id))
        if (shown.done > one.shown.done) one.tries = 0
        const { done, rate, state, url } = shown
        this.show(one, { done, rate, state, url })
        if (isOver(shown)) this.letGo(one)
      },
    })
    return files
  }

  private way(id: string, member: number, about: { readonly file: number; readonly of: number }, files: Files, broken: () => void): FileWay {
    const { host } = this
    return new FileWay(id, host.environment, host.configuration(), {
      say: (step) => host.whisper(member, { type: 'file-way', ...about, way: id, ...step }),
      opened: (bulk) => files.resume(bulk),
      heard: (data) => {
        const message = parse(data)
        if (message && 'file' in message && message.file === about.file) files.control(message)
        else this.dropped++
      },
      bytes: (data) => files.bytes(data),
      broken,
    })
  }

  private fail(one: Theirs, state: 'failed' | 'cancelled' | 'refused'): void {
    one.retry?.()
    const entry = one.files
    this.show(one, { state, rate: 0 })
    if (entry) entry.cancel(`in-${one.number}`)
    else one.sink?.abort()
    this.letGo(one)
  }

  private show(one: Theirs, change: Partial<FileTransfer>): void {
    one.shown = { ...one.shown, ...change }
    this.report()
  }

  private report(): void {
    if (this.closed) return
    const shown = new Map<string, FileTransfer>(this.theirs.map((one) => [one.shown.id, one.shown]))
    for (const mine of this.ours) shown.set(`out-${mine.number}`, outgoing(mine))
    this.host.changed([...this.before, ...this.order.map((id) => shown.get(id)).filter((file) => file !== undefined)])
  }
}

/** What there is to show of a file of ours: it goes to several. */
function outgoing({ number, file, takers, gone }: Ours): FileTransfer {
  const all = [...takers.values()].map(({ shown }) => shown).filter((it) => it !== null)
  const running = all.filter(({ state }) => state === 'running' || state === 'paused')
  const done = all.filter(({ state }) => state === 'done').length
  const state = gone ? 'cancelled' : running.length > 0 ? 'running' : done > 0 ? 'done' : 'offered'
  return {
    id: `out-${number}`, mine: true, from: '', name: safeName(file.name), size: file.size,
    done: running.length > 0 ? Math.max(...running.map((it) => it.done)) : done > 0 ? file.size : 0,
    rate: running.reduce((sum, { rate }) => sum + rate, 0), state, url: null,
    takers: { running: running.length, done },
  }
}

function isOver({ state }: FileTransfer): boolean {
  return state !== 'offered' && state !== 'running' && state !== 'paused'
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= 0xffff_ffff
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

/** A step of the negotiation, or null. The browser judges what is in it. */
function readStep({ description, candidate }: Readonly<Record<string, unknown>>): Step | null {
  if (typeof description === 'object' && description !== null) {
    const { type, sdp } = description as Record<string, unknown>
    return (type === 'offer' || type === 'answer') && typeof sdp === 'string' ? { description: { type, sdp } satisfies Description } : null
  }
  if (typeof candidate !== 'object' || candidate === null) return null
  return typeof (candidate as Record<string, unknown>)['candidate'] === 'string' ? { candidate: candidate as Candidate } : null
}
