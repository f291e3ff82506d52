/**
 * The keys of a room: with what we encrypt, and with what we decrypt what each of the others sends. One stands in the
 * worker, for frames, and one beside the exchange of keys, for messages.
 */
import type { Bytes } from './bytes.js'
import { kidOf, readKid, sameGeneration, SOURCES, STEPS, type KeyName, type Source } from './keys.js'
import { ratchet, readHeader, SFrameKey } from './sframe.js'

/** Milliseconds for which what was encrypted with the generation before is still decrypted. */
const GRACE = 10_000
/** How far a counter may lie behind the highest: frames of several sizes overtake each other in the server. */
const WINDOW = 4096n

/** A base key and where it stands. */
export interface BaseKey {
  /** Counts up from 1; a lower one than known is old. */
  readonly generation: number
  readonly step: number
  readonly key: Bytes
}

/** Why something could not be decrypted. */
export type Failure =
  /** It is no SFrame, or names no key of ours. */
  | 'clear'
  /** Its key has not come (yet). */
  | 'unknown'
  /** Its key is here, and does not fit. */
  | 'wrong'
  /** It came before. */
  | 'replayed'

export type Opened = { readonly member: number; readonly source: Source; readonly bytes: Bytes } | { readonly member: number | null; readonly failure: Failure }

/** What is received with one key. */
interface Receiving { readonly key: Promise<SFrameKey>; readonly seen: Seen }

class Generation {
  /** When it ends, because another has taken its place. */
  until = Infinity
  private receiving = new Map<bigint, Receiving>()

  constructor(readonly number: number, private base: BaseKey) {}

  /** What decrypts with that name, and the base key it comes from if that is a later one; null if it lies too far behind. */
  async at(kid: bigint, step: number): Promise<{ readonly receiving: Receiving; readonly base: BaseKey } | null> {
    const known = this.receiving.get(kid)
    if (known) return { receiving: known, base: this.base }
    if (step < this.base.step) return null
    let { base } = this
    while (base.step < step) base = { ...base, step: base.step + 1, key: await ratchet(base.key) }
    return { receiving: this.receiving.get(kid) ?? { key: SFrameKey.derive(kid, base.key), seen: new Seen() }, base }
  }

  /** It has decrypted something: what lies before that step is not derived any more. */
  keep(kid: bigint, fresh: Receiving, base: BaseKey): Receiving {
    const receiving = this.receiving.get(kid) ?? fresh
    this.receiving.set(kid, receiving)
    if (base.step > this.base.step) this.base = base
    // Three steps of four sources: what is older has been overtaken.
    for (const old of [...this.receiving.keys()].slice(0, -12)) this.receiving.delete(old)
    return receiving
  }

  /** A base key that was told: an earlier step than known adds nothing. */
  learn(base: BaseKey): void {
    if (base.step > this.base.step) this.base = base
  }
}

export class Keyring {
  private sending: { readonly member: number; readonly base: BaseKey; readonly keys: ReadonlyMap<Source, Promise<SFrameKey>>; counter: bigint } | null = null
  private readonly members = new Map<number, Generation[]>()

  /** `now` is in milliseconds. */
  constructor(private readonly now: () => number) {}

  /** From now on we encrypt with this. */
  sendWith(member: number, base: BaseKey): void {
    const { sending } = this
    // The same key again would count from 0 again.
    if (sending?.member === member && sending.base.generation === base.generation && sending.base.step === base.step) return
    const keys = new Map(SOURCES.map((source) => [source, SFrameKey.derive(kidOf(member, source, base.generation, base.step), base.key)]))
    this.sending = { member, base, keys, counter: 0n }
  }

  /** Encrypts; null as long as there is no key. */
  async seal(source: Source, secret: Uint8Array, metadata: Uint8Array): Promise<Bytes | null> {
    const { sending } = this
    const key = sending?.keys.get(source)
    if (!sending || !key) return null
    // Counted for all sources together and before anything is waited for: no counter is used twice.
    const counter = sending.counter++
    return (await key).seal(counter, secret, metadata)
  }

  /** A member encrypts with this, now or soon. */
  learn(member: number, base: BaseKey): void {
    const known = this.members.get(member) ?? []
    const newest = known.at(-1)
    if (newest && base.generation < newest.number) return
    if (newest?.number === base.generation) return newest.learn(base)
    if (newest) newest.until = this.now() + GRACE
    this.members.set(member, [...known.slice(-1), new Generation(base.generation, base)])
  }

  /** A member is gone, or is another one under the same number. */
  forget(member: number): void { this.members.delete(member) }

  /** Whether there is a key of that member. */
  knows(member: number): boolean { return this.members.has(member) }

  /** Decrypts. */
  async open(sealed: Uint8Array, metadata: Uint8Array): Promise<Opened> {
    const header = readHeader(sealed)
    const name = header && readKid(header.kid)
    if (!header || !name) return { member: null, failure: 'clear' }
    const { member, source } = name
    const generation = this.generationOf(name)
    const found = await generation?.at(header.kid, name.step)
    if (!generation || !found) return { member, failure: 'unknown' }
    const { receiving, base } = found
    const bytes = await (await receiving.key).open(header, sealed, metadata)
    if (bytes === null) return { member, failure: 'wrong' }
    return generation.keep(header.kid, receiving, base).seen.first(header.ctr) ? { member, source, bytes } : { member, failure: 'replayed' }
  }

  private generationOf({ member, generation }: KeyName): Generation | undefined {
    const known = (this.members.get(member) ?? []).filter(({ until }) => until > this.now())
    if (known.length > 0) this.members.set(member, known)
    return known.find(({ number }) => sameGeneration(number, generation))
  }
}

/** Which counters have come: each may come once, and not too late. */
export class Seen {
  private highest = -1n
  private readonly counters = new Set<bigint>()

  first(counter: bigint): boolean {
    if (counter <= this.highest - WINDOW || this.counters.has(counter)) return false
    this.counters.add(counter)
    if (counter > this.highest) {
      this.highest = counter
      if (this.counters.size > 2 * Number(WINDOW)) for (const old of this.counters) if (old <= counter - WINDOW) this.counters.delete(old)
    }
    return true
  }
}

/** The base key that follows for newcomers, who must not read what was before; null if this generation has no more. */
export async function nextStep({ generation, step, key }: BaseKey): Promise<BaseKey | null> {
  return step + 1 < STEPS ? { generation, step: step + 1, key: await ratchet(key) } : null
}
