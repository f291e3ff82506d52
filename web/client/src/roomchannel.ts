/**
 * The data channel `room`, over which members say something to all others: JSON in binary messages. The server passes
 * each on with four bytes in front that say who sent it (big-endian; 0 is the server).
 *
 * In an encrypted room what members say stands behind a byte 1, encrypted as a frame would be (E2EE.md), and nothing
 * is taken that comes otherwise; only messages about keys are readable, because each key in them is sealed already.
 */
import { concat } from './e2ee/bytes.js'
import type { Exchange, KeyMessage } from './e2ee/exchange.js'

const SENDER_BYTES = 4
/** In front of an encrypted message. No JSON begins like that. */
const SEALED = 1
/** Messages that wait for the browser's cryptography, in each direction. */
const WAITING_MOST = 1_000

export interface RoomChannelHost {
  /** The channel is open. */
  opened(): void
  /** A member says something. */
  heard(member: number, message: Readonly<Record<string, unknown>>): void
}

export class RoomChannel {
  /** Messages that are none, or come unencrypted where they must not: dropped. */
  dropped = 0
  private channel: RTCDataChannel | null = null
  private incoming = new Line()
  private outgoing = new Line()

  /** `exchange` encrypts; null where nothing is encrypted. */
  constructor(private readonly exchange: Exchange | null, private readonly host: RoomChannelHost) {}

  get open(): boolean { return this.channel?.readyState === 'open' }

  /** A new channel, which opens later. */
  use(channel: RTCDataChannel): void {
    this.leave()
    this.channel = channel
    channel.onopen = () => {
      this.exchange?.opened()
      this.host.opened()
    }
    channel.onmessage = ({ data }) => this.take(data)
  }

  leave(): void {
    if (this.channel) this.channel.onopen = this.channel.onmessage = null
    this.channel = null
  }

  /** Says something to all others, if there is a channel. */
  send(message: object): void {
    const bytes = new TextEncoder().encode(JSON.stringify(message))
    const { exchange } = this
    if (exchange === null) return this.write(bytes)
    this.dropped += this.outgoing.add(async () => {
      const sealed = await exchange.seal(bytes)
      if (sealed) this.write(concat(Uint8Array.of(SEALED), sealed))
    })
  }

  /** Says something about keys. */
  sendKeys(message: KeyMessage): void {
    this.write(new TextEncoder().encode(JSON.stringify(message)))
  }

  private write(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.channel?.readyState === 'open') this.channel.send(bytes)
  }

  private take(data: unknown): void {
    const bytes = data instanceof ArrayBuffer && data.byteLength > SENDER_BYTES ? new Uint8Array(data) : null
    if (bytes === null) {
      this.dropped++
      return
    }
    const member = new DataView(bytes.buffer).getUint32(0)
    const body = bytes.subarray(SENDER_BYTES)
    if (this.exchange === null) this.said(member, body)
    else this.takeSealed(this.exchange, member, body)
  }

  private takeSealed(exchange: Exchange, member: number, body: Uint8Array): void {
    this.dropped += this.incoming.add(async () => {
      const opened = body[0] === SEALED ? await exchange.open(member, body.subarray(1)) : null
      if (opened) return this.said(member, opened)
      const message = body[0] === SEALED ? null : parseBody(body)
      if (message?.['type'] === 'hello' || message?.['type'] === 'keys') await exchange.take(member, message)
      else this.dropped++
    })
  }

  private said(member: number, body: Uint8Array): void {
    const message = parseBody(body)
    if (message === null) this.dropped++
    else this.host.heard(member, message)
  }
}

/** Does one thing after the other. */
class Line {
  private work: Promise<unknown> = Promise.resolve()
  private waiting = 0

  /** Adds something to do; 1 if too much waits already. */
  add(step: () => Promise<unknown>): 0 | 1 {
    if (this.waiting >= WAITING_MOST) return 1
    this.waiting++
    this.work = this.work.then(step).catch(() => {}).then(() => { this.waiting-- })
    return 0
  }
}

/** The message in some bytes; null if it is none. */
export function parseBody(body: Uint8Array): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}
