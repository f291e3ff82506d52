/**
 * A small world for whole clients: virtual time, a server in memory, sockets that can be cut at any frame, and peer
 * connections that negotiate as RFC 8829 says and connect when the two descriptions and a candidate each have crossed.
 */
import { createClient } from '../src/client.js'
import type { Client } from '../src/options.js'
import { memoryStore, type Clock, type Environment, type PageEvents, type SocketLike, type Store } from '../src/environment.js'
import type { Model } from '../src/model.js'
import { hurry, pending } from './cryptography.js'
import { FakeLine } from './line.js'
import { FakeNetwork, FakePeerConnection, fakeStream } from './fakes.js'
import { Conferences } from './conferences.js'
import { Rendezvous, type Line } from './rendezvous.js'

/** Time that goes on only when a test says so. */
export class VirtualClock implements Clock {
  private time = 1_700_000_000_000
  private timers: { readonly at: number; readonly order: number; readonly then: () => void }[] = []
  private order = 0

  now(): number { return this.time }

  after(ms: number, then: () => void): () => void {
    const timer = { at: this.time + Math.round(ms), order: this.order++, then }
    this.timers.push(timer)
    return () => { this.timers = this.timers.filter((other) => other !== timer) }
  }

  /** Runs the next timer, if there is one up to `limit`. */
  step(limit: number): boolean {
    const [next] = this.timers.sort((a, b) => a.at - b.at || a.order - b.order)
    if (next === undefined || next.at > limit) return false
    this.timers = this.timers.filter((timer) => timer !== next)
    this.time = Math.max(this.time, next.at)
    next.then()
    return true
  }
}

/** What happens to the frame that a test singles out. */
export type Fault = 'lose' | 'deliver'

export class World {
  readonly clock = new VirtualClock()
  readonly rendezvous = new Rendezvous()
  readonly network = new FakeNetwork(this.clock)
  /** Frames that crossed a socket, in both directions. */
  frames = 0
  /** At this frame the socket breaks, with the frame or right after it. */
  fault: { readonly at: number; readonly fault: Fault } | null = null
  /** Done instead of the fault when frame `at` crosses. */
  at: { readonly frame: number; readonly then: () => void } | null = null
  private seed = 1
  /** None, as outside a secure context, unless a test gives some. */
  devices: MediaDevices | null = null

  /** Whether browsers can lead frames through a worker. */
  encrypts = true
  private cryptographyTakesNoTime = false

  /** Lets time stand still while something is being encrypted. */
  holdForCryptography(): void {
    this.cryptographyTakesNoTime = true
    hurry()
  }

  readonly conferences = new Conferences(this.clock, this.network)

  constructor() { this.rendezvous.conferences = this.conferences }

  /** A person at a page, named and online. */
  async person(name: string): Promise<Page> {
    const page = this.page()
    page.client.commands.connect(name)
    await this.until(() => page.model.server.kind === 'online')
    return page
  }

  /** A page that was just opened. */
  page(): Page { return new Page(this, { identity: memoryStore(), tab: memoryStore() }) }

  /** Lets things happen until a condition holds; fails after ten virtual minutes. */
  async until(condition: () => boolean, what: () => unknown = () => ''): Promise<void> {
    const limit = this.clock.now() + 600_000
    while (!condition()) {
      // Promises first, then the next moment at which anything is to happen.
      await this.promises()
      if (condition()) return
      if (!this.clock.step(limit)) await this.realWork(limit, condition, what)
    }
  }

  /** Lets `ms` virtual milliseconds pass. */
  async pass(ms: number): Promise<void> {
    const end = this.clock.now() + ms
    let over = false
    this.clock.after(ms, () => { over = true })
    while (!over) {
      await this.promises()
      this.clock.step(end)
    }
    await this.promises()
  }

  /** Lets everything happen that takes no time. */
  private async promises(): Promise<void> {
    do await new Promise((resolve) => setImmediate(resolve))
    while (this.cryptographyTakesNoTime && pending() > 0)
  }

  environment(stores: { readonly identity: Store; readonly tab: Store }, watch: (events: PageEvents) => void): Environment {
    return {
      clock: this.clock,
      random: (bytes) => bytes.map(() => this.chance()),
      identityStore: stores.identity,
      tabStore: stores.tab,
      socket: () => this.socket(),
      peerConnection: (configuration) => new FakePeerConnection(this.network, configuration).like,
      stream: fakeStream,
      codecs: (kind) => (kind === 'audio' ? ['audio/opus', 'audio/PCMU'] : ['video/VP8', 'video/rtx', 'video/AV1']).map((mimeType) => ({ mimeType, clockRate: 90_000 })),
      devices: this.devices,
      audioContext: null,
      frameLine: this.encrypts ? () => new FakeLine(this.clock) : null,
      frameConfiguration: {},
      watch: (events) => {
        watch(events)
        return () => {}
      },
    }
  }

  private socket(): SocketLike {
    let open = true
    const socket: SocketLike = { onopen: null, onmessage: null, onclose: null, send: (data) => frame(() => line.receive(data)), close: () => shut(false) }
    const shut = (byServer: boolean) => {
      if (!open) return
      open = false
      line.cut()
      if (byServer) this.clock.after(0, () => socket.onclose?.(undefined as never))
    }
    const frame = (deliver: () => void) => {
      if (!open) return
      this.frames++
      if (this.at?.frame === this.frames) this.at.then()
      const fault = this.fault?.at === this.frames ? this.fault.fault : null
      if (fault === 'lose') return shut(true)
      // One millisecond on the way; what was sent before a break arrives.
      this.clock.after(1, () => {
        deliver()
        if (fault === 'deliver') shut(true)
      })
    }
    const line: Line = this.rendezvous.connect({
      send: (text) => frame(() => { if (open) socket.onmessage?.({ data: text } as MessageEvent) }),
      close: () => shut(true),
    })
    this.clock.after(1, () => { if (open) socket.onopen?.(undefined as never) })
    return socket
  }

  private async realWork(limit: number, condition: () => boolean, what: () => unknown): Promise<void> {
    // Nothing is scheduled: hashing may be under way on another thread.
    for (const deadline = Date.now() + 5_000; Date.now() < deadline && !condition();) {
      await new Promise((resolve) => setImmediate(resolve))
      if (this.clock.step(limit)) return
    }
    if (!condition()) throw new Error(`waited in vain for ${condition}: ${JSON.stringify(what())}`)
  }

  /** A small generator (xorshift), so that every run is the same. */
  private chance(): number {
    this.seed ^= this.seed << 13
    this.seed ^= this.seed >>> 17
    this.seed ^= this.seed << 5
    return this.seed & 255
  }
}

/** A page with its client; it can be loaded anew. */
export class Page {
  client: Client
  /** Through which its frames go, where the room is encrypted. */
  line: FakeLine | null = null
  private events: PageEvents | null = null

  constructor(readonly world: World, private readonly stores: { readonly identity: Store; readonly tab: Store }) {
    this.client = this.load()
  }

  get model(): Model { return this.client.model() }

  /** The browser leaves the page: everything in it stops, without a word. */
  leave(): void {
    this.events?.leave()
    this.world.network.closeOf(this)
    this.stop()
  }

  reload(): void {
    this.leave()
    this.client = this.load()
  }

  wake(networkChanged: boolean): void { this.events?.wake(networkChanged) }

  private stop: () => void = () => {}

  private load(): Client {
    const environment = this.world.environment(this.stores, (events) => { this.events = events })
    let alive = true
    const sockets: SocketLike[] = []
    this.stop = () => {
      alive = false
      for (const socket of sockets) {
        socket.onopen = socket.onmessage = socket.onclose = null
        socket.close()
      }
    }
    return createClient({
      url: 'ws://test/ws',
      environment: {
        ...environment,
        clock: { now: () => environment.clock.now(), after: (ms, then) => environment.clock.after(ms, () => { if (alive) then() }) },
        socket: (url) => {
          const socket = environment.socket(url)
          sockets.push(socket)
          return socket
        },
        peerConnection: (configuration) => this.world.network.own(this, environment.peerConnection(configuration)),
        frameLine: environment.frameLine && (() => {
          const line = environment.frameLine?.() as FakeLine
          this.line = line
          return line
        }),
      },
    })
  }
}
