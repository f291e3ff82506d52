/**
 * In a call of two at a link with a key, the key proves what the safety code proves to people: that the certificates at
 * both ends are those that the two have told each other, so that nobody has put themselves in between. Each tells the
 * other a code over both fingerprints, in an order that says whose is whose; nothing else is sent before it is right.
 */
import { base64url, concat, fromBase64url, utf8 } from './bytes.js'
import { Link, PROOF } from './identity.js'
import { fingerprint } from '../sdp.js'

export interface DirectProofEvents {
  /** For the other side, over the control channel. */
  send(proof: string): void
  /** The other side has the key, and sees what we see. */
  proven(): void
  /** It has not, or somebody is in between. */
  failed(): void
}

export class DirectProof {
  proven = false
  private readonly link: Promise<Link>
  private pair: { readonly mine: string; readonly theirs: string } | null = null
  private open = false
  private sent: unknown = null

  constructor(room: string, key: string, private readonly events: DirectProofEvents) {
    this.link = Link.open(room, key)
  }

  /** Another peer connection, which has certificates of its own. */
  reset(): void {
    this.proven = this.open = false
    this.pair = null
  }

  /** The descriptions in force. */
  described(local: string, remote: string): void {
    const [mine, theirs] = [fingerprint(local), fingerprint(remote)]
    if (mine === null || theirs === null) return
    if (this.pair?.mine !== mine || this.pair.theirs !== theirs) this.pair = { mine, theirs }
    void this.prove()
  }

  /** The control channel is open. */
  opened(): void {
    this.open = true
    void this.prove()
  }

  /** What the other side says. */
  async take(text: string): Promise<void> {
    const { pair } = this
    const proof = fromBase64url(text, PROOF)
    if (this.proven) return
    const right = pair !== null && proof !== null && (await (await this.link).verifyText(covered(pair.theirs, pair.mine), proof))
    if (pair !== this.pair) return
    this.proven = right
    if (right) this.events.proven()
    else this.events.failed()
  }

  private async prove(): Promise<void> {
    const { pair } = this
    if (pair === null || !this.open || this.sent === pair) return
    this.sent = pair
    const proof = await (await this.link).proveText(covered(pair.mine, pair.theirs))
    if (this.pair === pair) this.events.send(base64url(proof))
  }
}

/** First the fingerprint of who says it. Neither has a zero in it. */
function covered(speaker: string, other: string): Uint8Array<ArrayBuffer> {
  return concat(utf8('visavis e2ee 1 direct'), Uint8Array.of(0), utf8(speaker), Uint8Array.of(0), utf8(other))
}
