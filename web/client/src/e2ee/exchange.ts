/**
 * The members of an encrypted room tell each other their keys, over the room's data channel. E2EE.md has the messages.
 *
 * Everybody has an identity (a key pair) and a base key with which they send. `hello` tells the identity, vouched for
 * by the link's secret; `keys` gives the base key to members one by one, sealed for each. Who comes gets a key from which
 * the earlier ones cannot be computed; when somebody goes, everybody makes a new one and begins to use it a moment later,
 * when it has arrived. What is lost is asked for again.
 */
import type { Clock } from '../environment.js'
import { safetyCodeOf } from '../safety.js'
import { base64url, fromBase64url, utf8, type Bytes } from './bytes.js'
import type { Order, Report } from './frames.js'
import { BOX, gathering, Identity, Link, PROOF, PUBLIC_KEY, type Pair } from './identity.js'
import { Keyring, nextStep, type BaseKey } from './keyring.js'
import { BASE_KEY } from './sframe.js'

/** Milliseconds from the making of a key to its use: so long it has to reach the others. */
const SPREAD = 1_000
/** Milliseconds in which several who leave are one reason for a new key. */
const TOGETHER = 100
/** Who comes may read what was sent with a key that is in use for at most so many milliseconds. */
const FRESH = 1_000
/** Milliseconds between two looks at whether a key is missing, and how often it is asked for at that pace. */
const LOOK_EVERY = 2_000
const LOOKS_QUICK = 10
const LOOKS_SLOW_EVERY = 5
/** Milliseconds between two answers to the same member. */
const ANSWER_EVERY = 500
/** Milliseconds for which a member is who they are: whoever was somebody else all the time would have us make keys all the time. */
const SAME_FOR = 1_000
/** Milliseconds for which nothing of a member's can be decrypted before it is said. */
const FAILING_FOR = 2_000
/** Sealed keys in one message: it stays below 16 KiB. */
const BOXES_MOST = 100
/** Members that have said hello before the server told of them. */
const EARLY_MOST = 200

/** How it stands with what a member sends. */
export type Trust =
  /** Their key is here, and they have the link. */
  | 'verified'
  /** Their key has not come yet. */
  | 'waiting'
  /** They have another link, or something came that was not made with their key. */
  | 'failed'

/** How it stands with a room's encryption. */
export interface Encryption {
  /** 20 digits that are the same with everybody if nobody else has keys; null until there is somebody else. */
  readonly safetyCode: string | null
  /** Of the other members, by number. */
  readonly trust: Readonly<Record<number, Trust>>
}

export const NO_TRUST: Encryption = { safetyCode: null, trust: {} }

/** What passes over the room's channel beside what members say. */
export type KeyMessage =
  | { readonly type: 'hello'; readonly key: string; readonly proof: string; readonly ask: true | readonly number[] }
  | { readonly type: 'keys'; readonly boxes: Readonly<Record<string, string>> }

export interface ExchangeHost {
  readonly clock: Clock
  readonly room: string
  /** The key in the link. */
  readonly key: string
  /** Our own number, and those of everybody that the server says are there. */
  you(): number
  members(): readonly number[]
  /** To all members; lost if there is no channel. */
  send(message: KeyMessage): void
  /** For the worker. */
  order(order: Order): void
  changed(encryption: Encryption): void
}

interface Other {
  readonly identity: string
  readonly publicKey: Bytes
  readonly pair: Pair
  readonly since: number
  answered: number
}

export class Exchange {
  /** Messages that were not what E2EE.md says, or proved wrong: dropped. */
  dropped = 0
  private readonly others = new Map<number, Other>()
  private readonly impostors = new Set<number>()
  private readonly failing = new Map<number, number>()
  private readonly unknown = new Set<number>()
  private early = new Map<number, KeyMessage>()
  private readonly keyring: Keyring
  private identity: Identity | null = null
  private link: Link | null = null
  private current: (BaseKey & { readonly since: number }) | null = null
  private pending: BaseKey[] = []
  private number = 0
  private generation = 0
  /** Everything that waits for the browser's cryptography runs one after the other. */
  private work: Promise<unknown>
  private looks = 0
  private cancelLook: (() => void) | null = null
  private cancelRenew: (() => void) | null = null
  private code: { readonly of: string; readonly text: string | null } = { of: '', text: null }
  private told = ''
  private closed = false

  constructor(private readonly host: ExchangeHost) {
    this.keyring = new Keyring(() => host.clock.now())
    this.work = this.begin()
    this.look()
  }

  /** The channel is open, for the first time or again. */
  opened(): void {
    this.looks = 0
    this.enqueue(() => this.hello(true))
  }

  /** A message about keys. */
  take(member: number, message: unknown): Promise<unknown> {
    return this.enqueue(async () => {
      const read = parse(message)
      if (read === null) this.dropped++
      else await this.heard(member, read)
    })
  }

  /** The server says that somebody came, went, or that we have a number. */
  membersChanged(): void {
    this.enqueue(async () => {
      if (this.number !== this.host.you()) await this.renumber()
      const there = new Set(this.host.members())
      let gone = false
      for (const member of [...this.others.keys(), ...this.impostors]) {
        if (there.has(member)) continue
        gone ||= this.others.has(member)
        this.drop(member)
      }
      if (gone) this.cancelRenew ??= this.host.clock.after(TOGETHER, () => {
        this.cancelRenew = null
        this.enqueue(() => this.renew())
      })
      for (const [member, message] of this.early) {
        if (!there.has(member)) continue
        this.early.delete(member)
        await this.heard(member, message)
      }
      this.tell()
    })
  }

  /** The worker tells what it sees. */
  report(report: Report): void {
    if (report.type !== 'member' || this.closed) return
    const { member, failure } = report
    if (failure === null) {
      this.failing.delete(member)
      this.unknown.delete(member)
    } else if (failure === 'unknown') {
      this.unknown.add(member)
      this.looks = 0
    } else if (!this.failing.has(member)) {
      this.failing.set(member, this.host.clock.now())
      this.host.clock.after(FAILING_FOR, () => this.tell())
    }
    this.tell()
  }

  /** Encrypts a message for the others; null if that is not possible yet. */
  async seal(message: Uint8Array): Promise<Bytes | null> {
    await this.work
    return this.keyring.seal('message', message, new Uint8Array(0))
  }

  /** Decrypts a message of that member's; null if it is none. */
  async open(member: number, sealed: Uint8Array): Promise<Bytes | null> {
    await this.work
    const opened = await this.keyring.open(sealed, new Uint8Array(0))
    return 'bytes' in opened && opened.member === member && opened.source === 'message' ? opened.bytes : null
  }

  close(): void {
    this.closed = true
    this.cancelLook?.()
    this.cancelRenew?.()
  }

  private async begin(): Promise<void> {
    [this.link, this.identity] = await Promise.all([Link.open(this.host.room, this.host.key), Identity.make()])
    await this.renumber()
  }

  private enqueue(step: () => Promise<void>): Promise<unknown> {
    this.work = this.work.then(async () => {
      if (!this.closed) await step()
    }).catch(() => {
      // A key that this browser's cryptography refuses, such as a point that is not on the curve.
      this.dropped++
    })
    return this.work
  }

  /** Under another number we are somebody else: with a key of its own, which can be used at once. */
  private async renumber(): Promise<void> {
    this.number = this.host.you()
    this.pending = []
    const base = this.fresh()
    this.use(base)
    await this.give([...this.others.keys()], [base])
  }

  private async heard(member: number, message: KeyMessage): Promise<void> {
    if (member === this.number) return
    if (!this.host.members().includes(member)) {
      // The server's word comes another way than the member's.
      if (message.type === 'hello' && this.early.size < EARLY_MOST) this.early.set(member, message)
      return
    }
    if (message.type === 'hello') await this.greeted(member, message)
    else await this.given(member, message)
    this.tell()
  }

  private async greeted(member: number, { key, proof, ask }: Extract<KeyMessage, { type: 'hello' }>): Promise<void> {
    const [publicKey, mac] = [fromBase64url(key, PUBLIC_KEY), fromBase64url(proof, PROOF)]
    const known = this.others.get(member)
    if (publicKey === null || mac === null || !this.link || !this.identity || !(await this.link.verify(member, publicKey, mac))) {
      this.dropped++
      // Somebody whom we know stays who they are, whatever is said in their name.
      if (!known) this.impostors.add(member)
      return
    }
    const asked = ask === true || ask.includes(this.number)
    if (known?.identity !== key) {
      if (known && this.host.clock.now() - known.since < SAME_FOR) {
        this.dropped++
        return
      }
      const pair = await this.link.between(this.identity, publicKey)
      // Another page under the same number: what the one before knew is not for it, and its key is none any more.
      if (known) this.drop(member)
      this.impostors.delete(member)
      this.others.set(member, { identity: key, publicKey, pair, since: this.host.clock.now(), answered: this.host.clock.now() })
      this.looks = 0
      await this.admit(member)
      if (asked) await this.hello(false)
      return
    }
    if (!asked || this.host.clock.now() - known.answered < ANSWER_EVERY) return
    known.answered = this.host.clock.now()
    await this.give([member], this.keys())
    await this.hello(false)
  }

  private async given(member: number, { boxes }: Extract<KeyMessage, { type: 'keys' }>): Promise<void> {
    const other = this.others.get(member)
    const box = fromBase64url(boxes[this.number], BOX)
    if (!other || box === null) return
    const base = await other.pair.open(member, this.number, box)
    if (base === null) {
      this.dropped++
      return
    }
    this.unknown.delete(member)
    this.failing.delete(member)
    this.keyring.learn(member, base)
    this.host.order({ type: 'learn', member, base })
  }

  /** Somebody new gets our key, but none with which we have sent for long. */
  private async admit(member: number): Promise<void> {
    const { current } = this
    if (current !== null && this.host.clock.now() - current.since > FRESH) {
      const next = await nextStep(current)
      if (next === null) return this.renew()
      this.use(next)
    }
    await this.give([member], this.keys())
  }

  /** Makes another key, tells it to everybody, and uses it once it has arrived. */
  private async renew(): Promise<void> {
    const base = this.fresh()
    this.pending = [...this.pending, base]
    await this.give([...this.others.keys()], [base])
    this.host.clock.after(SPREAD, () => {
      if (this.closed || !this.pending.includes(base)) return
      this.pending = this.pending.filter(({ generation }) => generation > base.generation)
      this.use(base)
    })
  }

  private fresh(): BaseKey {
    return { generation: ++this.generation, step: 0, key: crypto.getRandomValues(new Uint8Array(BASE_KEY)) }
  }

  private use(base: BaseKey): void {
    this.current = { ...base, since: this.host.clock.now() }
    this.keyring.sendWith(this.number, base)
    this.host.order({ type: 'send-with', member: this.number, base })
  }

  /** What we send with, and what we will send with. */
  private keys(): BaseKey[] {
    return [...(this.current ? [this.current] : []), ...this.pending]
  }

  private async give(members: readonly number[], bases: readonly BaseKey[]): Promise<void> {
    for (const base of bases) {
      for (let from = 0; from < members.length; from += BOXES_MOST) {
        const boxes: Record<string, string> = {}
        for (const member of members.slice(from, from + BOXES_MOST)) {
          const box = await this.others.get(member)?.pair.seal(this.number, member, base)
          if (box) boxes[member] = base64url(box)
        }
        this.host.send({ type: 'keys', boxes })
      }
    }
  }

  private async hello(ask: boolean | readonly number[]): Promise<void> {
    if (!this.link || !this.identity) return
    const proof = await this.link.prove(this.number, this.identity.publicKey)
    this.host.send({ type: 'hello', key: base64url(this.identity.publicKey), proof: base64url(proof), ask: ask === false ? [] : ask })
  }

  private drop(member: number): void {
    this.others.delete(member)
    this.impostors.delete(member)
    this.failing.delete(member)
    this.unknown.delete(member)
    this.keyring.forget(member)
    this.host.order({ type: 'forget', member })
  }

  /** Asks for what is missing, often at first and seldom later. */
  private look(): void {
    this.cancelLook = this.host.clock.after(LOOK_EVERY, () => {
      if (this.closed) return
      this.look()
      this.looks++
      if (this.looks > LOOKS_QUICK && this.looks % LOOKS_SLOW_EVERY !== 0) return
      const missing = this.host.members().filter((member) => member !== this.number && (!this.keyring.knows(member) || this.unknown.has(member)))
      if (missing.length > 0) this.enqueue(() => this.hello(missing))
    })
  }

  private trustOf(member: number): Trust {
    const failing = this.failing.get(member)
    if (this.impostors.has(member)) return 'failed'
    if (failing !== undefined && this.host.clock.now() - failing >= FAILING_FOR) return 'failed'
    return this.others.has(member) && this.keyring.knows(member) ? 'verified' : 'waiting'
  }

  private tell(): void {
    if (this.closed) return
    void this.recode()
    const trust = Object.fromEntries(this.host.members().filter((member) => member !== this.number).map((member) => [member, this.trustOf(member)]))
    const encryption = { safetyCode: this.code.text, trust }
    const told = JSON.stringify(encryption)
    if (told === this.told) return
    this.told = told
    this.host.changed(encryption)
  }

  /** Computes the safety code anew if others are here than before. */
  private async recode(): Promise<void> {
    const keys = [...this.others.values()].map(({ publicKey }) => publicKey)
    const of = this.identity && keys.length > 0 ? gathering([this.identity.publicKey, ...keys]) : ''
    if (of === this.code.of) return
    this.code = { of, text: null }
    const text = of === '' ? null : await safetyCodeOf('visavis room safety code 1', utf8(of))
    if (this.code.of !== of) return
    this.code = { of, text }
    this.tell()
  }
}

/** What a message about keys says; null if it is none. */
function parse(value: unknown): KeyMessage | null {
  if (typeof value !== 'object' || value === null) return null
  const { type, key, proof, ask, boxes } = value as Record<string, unknown>
  if (type === 'hello') {
    const asks = ask === true || (Array.isArray(ask) && ask.every((member) => Number.isSafeInteger(member)))
    return typeof key === 'string' && typeof proof === 'string' && asks ? { type, key, proof, ask: ask as true | number[] } : null
  }
  if (type !== 'keys' || typeof boxes !== 'object' || boxes === null || Array.isArray(boxes)) return null
  return { type, boxes: boxes as Record<string, string> }
}
