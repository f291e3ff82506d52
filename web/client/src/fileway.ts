/**
 * The way of one file in a room: a peer connection of its own from the member who offers it to one who takes it, with a
 * control and a bulk channel as between two (PEER.md). Who takes the file makes the offer; the server passes on what the
 * two negotiate (`whisper`), and in an encrypted room it cannot read it.
 */
import type { BulkChannel } from './files.js'
import type { Environment, PeerConnectionLike } from './environment.js'
import type { Candidate, Description } from './protocol.js'
import { concise } from './sdp.js'

/** Milliseconds in which a way must be open. */
const OPEN_WITHIN = 20_000

/** What the two say to each other about a way. */
export interface Step {
  readonly description?: Description
  readonly candidate?: Candidate
}

export interface WayHost {
  say(step: Step): void
  /** Both channels are open. */
  opened(bulk: BulkChannel): void
  heard(control: unknown): void
  bytes(data: unknown): void
  /** It carries nothing any more, or never did. */
  broken(): void
}

export class FileWay {
  private readonly pc: PeerConnectionLike
  private readonly control: RTCDataChannel
  private readonly bulk: RTCDataChannel
  private readonly cancel: () => void
  private early: Candidate[] = []
  private work: Promise<unknown> = Promise.resolve()
  private open = false
  private closed = false

  constructor(readonly id: string, environment: Pick<Environment, 'clock' | 'peerConnection'>, configuration: RTCConfiguration, private readonly host: WayHost) {
    const pc = this.pc = environment.peerConnection(configuration)
    this.control = pc.createDataChannel('control', { negotiated: true, id: 0 })
    this.bulk = pc.createDataChannel('bulk', { negotiated: true, id: 1 })
    this.bulk.binaryType = 'arraybuffer'
    for (const channel of [this.control, this.bulk]) {
      channel.onopen = () => this.opened()
      channel.onclose = () => this.fail()
    }
    this.control.onmessage = ({ data }) => host.heard(data)
    this.bulk.onmessage = ({ data }) => host.bytes(data)
    pc.onicecandidate = ({ candidate }) => { if (candidate && !this.closed) host.say({ candidate: plain(candidate) }) }
    pc.onconnectionstatechange = () => { if (pc.connectionState === 'failed') this.fail() }
    this.cancel = environment.clock.after(OPEN_WITHIN, () => { if (!this.open) this.fail() })
  }

  /** Makes the offer. */
  begin(): void { this.enqueue(() => this.describeOurselves()) }

  /** What the other side says. */
  take({ description, candidate }: Step): void {
    if (candidate) this.early.push(candidate)
    this.enqueue(async () => {
      if (description) {
        await this.pc.setRemoteDescription(description)
        if (description.type === 'offer') await this.describeOurselves()
      }
      if (this.pc.remoteDescription === null) return
      for (const one of this.early.splice(0)) await this.pc.addIceCandidate(one).catch(() => {})
    })
  }

  send(message: object): void { if (this.control.readyState === 'open') this.control.send(JSON.stringify(message)) }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.cancel()
    for (const channel of [this.control, this.bulk]) channel.onopen = channel.onclose = channel.onmessage = null
    this.pc.onicecandidate = this.pc.onconnectionstatechange = null
    this.pc.close()
  }

  private async describeOurselves(): Promise<void> {
    await this.pc.setLocalDescription()
    const local = this.pc.localDescription
    if (local) this.host.say({ description: { type: local.type, sdp: concise(local.sdp) } })
  }

  private enqueue(step: () => Promise<void>): void {
    this.work = this.work.then(async () => { if (!this.closed) await step() }).catch(() => this.fail())
  }

  private opened(): void {
    if (this.open || this.control.readyState !== 'open' || this.bulk.readyState !== 'open') return
    this.open = true
    this.host.opened(this.bulk)
  }

  private fail(): void {
    if (this.closed) return
    this.close()
    this.host.broken()
  }
}

function plain({ candidate, sdpMid, sdpMLineIndex, usernameFragment }: RTCIceCandidate): Candidate {
  return { candidate, sdpMid, sdpMLineIndex, usernameFragment }
}
