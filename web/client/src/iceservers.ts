/** STUN and TURN servers with credentials that end, and are asked for anew before. */
import type { Clock } from './environment.js'
import type { IceServer } from './protocol.js'

/** New credentials are asked for after this part of their life. */
const REFRESH_AFTER = 0.8

export class IceServers {
  private servers: readonly IceServer[] = []
  private cancel: (() => void) | null = null

  constructor(private readonly clock: Clock, private readonly policy: RTCIceTransportPolicy, private readonly ask: () => void) {}

  /** Takes servers; their end is followed unless a path goes on with older ones. */
  use(servers: readonly IceServer[], lifetimeSeconds: number, follow: boolean): void {
    this.servers = servers
    if (!follow) return
    this.cancel?.()
    this.cancel = this.clock.after(lifetimeSeconds * 1000 * REFRESH_AFTER, this.ask)
  }

  configuration(): RTCConfiguration {
    return {
      iceServers: this.servers.map((server) => ({ ...server })),
      bundlePolicy: 'max-bundle',
      // One bundle needs one pool: gathering begins while it rings.
      iceCandidatePoolSize: 1,
      iceTransportPolicy: this.policy,
    }
  }

  close(): void { this.cancel?.() }
}
