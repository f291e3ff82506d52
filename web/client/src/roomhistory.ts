/**
 * Who comes later sees what was written before: they ask one of the others, and the next if that one does not answer.
 *
 *     {"type": "history-ask", "of": 2}
 *     {"type": "history", "to": 5, "said": [{"member": 1, "id": "…", "from": "Ann", "text": "…", "at": 1767225600000}, …]}
 *
 * Everybody hears both; one answers, and one takes the answer, once. What was said before the call was a room is for the two.
 */
import { isId, isText } from './control.js'
import type { Clock } from './environment.js'

/** Bytes of an answer: with what encryption adds it stays below the 16 KiB that the server takes. */
const ANSWER_MOST = 14_000
/** Messages in it. */
const SAID_MOST = 100
const TEXT_MOST = 2_000
const NAME_MOST = 64
/** Milliseconds after which the next one is asked, and how many are. */
const PATIENCE = 3_000
const ASKED_MOST = 3
/** Milliseconds between two answers to the same member. */
const ANSWER_EVERY = 2_000

export interface Said {
  readonly member: number
  readonly id: string
  /** The name they went by. */
  readonly from: string
  readonly text: string
  readonly at: number
}

export interface RoomHistoryHost {
  readonly clock: Clock
  you(): number
  /** Those who can hear us and whom we can hear, the first to come first. */
  others(): readonly number[]
  send(message: object): void
  /** What was said in this room, the oldest first. */
  said(): readonly Said[]
  /** What somebody tells us of it. */
  told(said: readonly Said[]): void
}

export class RoomHistory {
  private readonly asked: number[] = []
  private readonly answered = new Map<number, number>()
  private done = false
  private cancel: (() => void) | null = null

  constructor(private readonly host: RoomHistoryHost) {}

  /** Somebody can be asked, perhaps. */
  look(): void {
    if (this.done || this.cancel !== null) return
    const next = this.host.others().find((member) => !this.asked.includes(member))
    if (next === undefined) return
    this.asked.push(next)
    this.host.send({ type: 'history-ask', of: next })
    this.cancel = this.host.clock.after(PATIENCE, () => {
      this.cancel = null
      if (this.asked.length >= ASKED_MOST) this.done = true
      this.look()
    })
  }

  /** Whether that was a message about this. */
  take(member: number, { type, of, to, said }: Readonly<Record<string, unknown>>): boolean {
    if (type === 'history-ask') {
      if (of === this.host.you()) this.answer(member)
      return true
    }
    if (type !== 'history') return false
    if (to !== this.host.you() || this.done || !this.asked.includes(member) || !Array.isArray(said)) return true
    this.close()
    this.host.told(said.slice(0, SAID_MOST).map(read).filter((one) => one !== null))
    return true
  }

  /** Nothing is asked any more. */
  close(): void {
    this.done = true
    this.cancel?.()
    this.cancel = null
  }

  private answer(to: number): void {
    const now = this.host.clock.now()
    if (now - (this.answered.get(to) ?? -Infinity) < ANSWER_EVERY) return
    this.answered.set(to, now)
    const said: Said[] = []
    let room = ANSWER_MOST
    // The newest matter most.
    for (const one of this.host.said().slice(-SAID_MOST).reverse()) {
      room -= new TextEncoder().encode(JSON.stringify(one)).length + 1
      if (room < 0) break
      said.unshift(one)
    }
    this.host.send({ type: 'history', to, said })
  }
}

function read(value: unknown): Said | null {
  if (typeof value !== 'object' || value === null) return null
  const { member, id, from, text, at } = value as Record<string, unknown>
  const isNumber = typeof member === 'number' && Number.isSafeInteger(member) && member > 0
  const isName = typeof from === 'string' && from.length <= 2 * NAME_MOST
  return isNumber && isId(id) && isName && isText(text, TEXT_MOST) && typeof at === 'number' && Number.isFinite(at) ? { member, id, from, text, at } : null
}
