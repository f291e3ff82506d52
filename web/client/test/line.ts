/** The worker of a page, without a worker: frames are handed to it by a test. */
import type { Clock } from '../src/environment.js'
import { Frames, type EncodedFrame, type Leading, type Order, type Report } from '../src/e2ee/frames.js'
import type { FrameLine } from '../src/e2ee/line.js'
import type { Source } from '../src/e2ee/keys.js'

export class FakeLine implements FrameLine {
  onreport: ((report: Report) => void) | null = null
  /** What has been led through it. */
  readonly led: Leading[] = []
  /** Keyframes that were asked for. */
  refreshed = 0
  closed = false
  private readonly frames: Frames
  private readonly senders = new Map<Source, (frame: EncodedFrame) => Promise<boolean>>()
  private readonly receivers = new Map<number | null, (frame: EncodedFrame) => Promise<boolean>>()

  constructor(private readonly clock: Clock) {
    this.frames = new Frames(clock, (report) => this.clock.after(1, () => this.onreport?.(report)))
  }

  lead(_end: unknown, leading: Leading): void {
    this.led.push(leading)
    if (leading.side === 'send') this.senders.set(leading.source, this.frames.sender(leading))
    else this.receivers.set(leading.slot, this.frames.receiver(leading, () => { this.refreshed++ }))
  }

  order(order: Order): void { this.clock.after(1, () => this.frames.take(order)) }

  close(): void { this.closed = true }

  /** What goes to the server of a frame of ours; null if nothing does. */
  async send(source: Source, data: Uint8Array): Promise<Uint8Array | null> {
    return lead(this.senders.get(source), data)
  }

  /** What is decoded of a frame that comes in a slot (a picture's, or null for voices); null if nothing is. */
  async receive(slot: number | null, data: Uint8Array): Promise<Uint8Array | null> {
    return lead(this.receivers.get(slot), data)
  }
}

async function lead(through: ((frame: EncodedFrame) => Promise<boolean>) | undefined, data: Uint8Array): Promise<Uint8Array | null> {
  const frame = { data: data.slice().buffer as ArrayBuffer, getMetadata: () => ({}) }
  return through && (await through(frame)) ? new Uint8Array(frame.data) : null
}
