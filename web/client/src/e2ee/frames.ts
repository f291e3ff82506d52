/**
 * Encrypts and decrypts frames on their way between the browser's encoder or decoder and the network. It runs in a
 * worker (`worker.ts`); orders come from the page, reports go to it.
 */
import { Keyring, type BaseKey, type Failure } from './keyring.js'
import type { Source } from './keys.js'
import { codecOf, divide, join, part, restore, type Codec } from './payload.js'

/** From the page. */
export type Order =
  /** We encrypt with this key from now on. */
  | { readonly type: 'send-with'; readonly member: number; readonly base: BaseKey }
  /** A member encrypts with this key, now or soon. */
  | { readonly type: 'learn'; readonly member: number; readonly base: BaseKey }
  | { readonly type: 'forget'; readonly member: number }

/** For the page. */
export type Report =
  /** What a slot carries, by the key that opens it: it is another than before. */
  | { readonly type: 'carries'; readonly slot: number; readonly member: number; readonly source: Source }
  /** Whether what a member sends can be decrypted: it is otherwise than before. Of what is not encrypted nobody knows the sender: 0. */
  | { readonly type: 'member'; readonly member: number; readonly failure: Failure | null }

/** What is led through the worker. `codec` is taken where a frame does not tell its own. */
export type Leading =
  | { readonly side: 'send'; readonly source: Source; readonly codec: Codec }
  /** `slot` numbers the picture slots; those of voices are not told apart. */
  | { readonly side: 'receive'; readonly slot: number | null; readonly codec: Codec }

/** The part of RTCEncodedVideoFrame and RTCEncodedAudioFrame that is used. */
export interface EncodedFrame {
  data: ArrayBuffer
  getMetadata(): { readonly mimeType?: string | undefined }
}

/** Time, and waiting. */
export interface Timer {
  now(): number
  after(ms: number, then: () => void): () => void
}

/** Milliseconds for which the frames of a slot wait for a key that has not come, once. */
const PATIENCE = 1_000

interface Slot {
  carried: string
  /** Whether its last frame could not be decrypted. */
  failing: boolean
}

export class Frames {
  readonly keyring: Keyring
  private readonly failures = new Map<number, Failure | null>()
  private waiting = new Set<() => void>()

  constructor(private readonly timer: Timer, private readonly report: (report: Report) => void) {
    this.keyring = new Keyring(() => timer.now())
  }

  take(order: Order): void {
    switch (order.type) {
      case 'send-with': return this.keyring.sendWith(order.member, order.base)
      case 'learn': {
        this.keyring.learn(order.member, order.base)
        const { waiting } = this
        this.waiting = new Set()
        for (const again of waiting) again()
        return
      }
      case 'forget':
        this.keyring.forget(order.member)
        this.failures.delete(order.member)
        return
    }
  }

  /** What encrypts the frames of a sender: true if the frame may go. */
  sender(leading: Extract<Leading, { side: 'send' }>): (frame: EncodedFrame) => Promise<boolean> {
    return async (frame) => {
      const codec = codecOf(frame.getMetadata().mimeType ?? '') ?? leading.codec
      const parts = divide(codec, new Uint8Array(frame.data))
      const sealed = parts && (await this.keyring.seal(leading.source, parts.secret, parts.metadata))
      // Without a key nothing goes: never in the clear.
      if (!parts || !sealed) return false
      frame.data = join(codec, parts, sealed).buffer
      return true
    }
  }

  /** What decrypts the frames of a receiver: true if the frame may be decoded. `refresh` asks for a keyframe. */
  receiver(leading: Extract<Leading, { side: 'receive' }>, refresh: () => void): (frame: EncodedFrame) => Promise<boolean> {
    const slot: Slot = { carried: '', failing: false }
    return async (frame) => {
      const codec = codecOf(frame.getMetadata().mimeType ?? '') ?? leading.codec
      const sealed = part(codec, new Uint8Array(frame.data))
      if (sealed === null) return this.failed(slot, 0, 'clear')
      let opened = await this.keyring.open(sealed.sealed, sealed.metadata)
      if ('failure' in opened && opened.failure === 'unknown' && !slot.failing) {
        // The key is likely to be on its way, over another one than the frame's. What comes behind this frame waits as well.
        await this.learning()
        opened = await this.keyring.open(sealed.sealed, sealed.metadata)
      }
      if ('failure' in opened) return this.failed(slot, opened.member ?? 0, opened.failure)
      if (slot.failing && leading.slot !== null) refresh()
      slot.failing = false
      this.tell(opened.member, null)
      this.carries(slot, leading.slot, opened.member, opened.source)
      frame.data = restore(sealed, opened.bytes).buffer
      return true
    }
  }

  private failed(slot: Slot, member: number, failure: Failure): false {
    // What comes twice, or too late, says nothing about the key.
    if (failure === 'replayed') return false
    slot.failing = true
    this.tell(member, failure)
    return false
  }

  private carries(slot: Slot, number: number | null, member: number, source: Source): void {
    const carried = `${member} ${source}`
    if (number === null || slot.carried === carried) return
    slot.carried = carried
    this.report({ type: 'carries', slot: number, member, source })
  }

  private tell(member: number, failure: Failure | null): void {
    if (this.failures.get(member) === failure) return
    this.failures.set(member, failure)
    this.report({ type: 'member', member, failure })
  }

  /** Until some key comes, or too long a time has passed. */
  private learning(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        cancel()
        this.waiting.delete(done)
        resolve()
      }
      const cancel = this.timer.after(PATIENCE, done)
      this.waiting.add(done)
    })
  }
}
