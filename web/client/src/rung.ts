/**
 * The devices at which our call rings: a conversation with each that has sent its offer before anybody accepts.
 *
 * The first takes the conversation that the call has anyway, whose streams the page plays already; the others get one
 * of their own. One of them goes on when the call is accepted.
 */
import type { Conversation } from './conversation.js'
import type { Outgoing } from './peer.js'
import type { Candidate, Description } from './protocol.js'

/** The server lets fewer devices than this send early offers; more are not answered. */
const DEVICES_MOST = 8

export class Rung {
  private readonly all = new Map<number, Conversation>()

  /** A device that rings sent a description; `first` is the conversation of the call, `make` makes another. */
  describe(device: number, description: Description, first: Conversation, make: () => Conversation): void {
    let talk = this.all.get(device)
    if (talk === undefined) {
      if (this.all.size >= DEVICES_MOST) return
      talk = first.device === null ? first : make()
      talk.device = device
      this.all.set(device, talk)
    }
    talk.describe(description)
  }

  /** The device has a relayed candidate. */
  candidate(device: number, candidate: Candidate | null): void { this.all.get(device)?.candidate(candidate) }

  /**
   * The call is on with that device, or with one that has sent nothing before (null): the conversation to go on with, null
   * if there is none yet. All others are closed.
   */
  choose(device: number | null, first: Conversation): Conversation | null {
    const unused = first.device === null ? first : null
    const chosen = device === null ? unused : this.all.get(device) ?? unused
    this.close(chosen)
    if (chosen !== first) first.close()
    return chosen
  }

  /** The conversations besides the call's own. */
  attach(outgoing: Outgoing): void { for (const talk of this.all.values()) talk.attach(outgoing) }

  configure(): void { for (const talk of this.all.values()) talk.configure(false) }

  /** The highest generation that any device knows. */
  get generation(): number { return Math.max(0, ...[...this.all.values()].map((talk) => talk.store().generation)) }

  /** Ends all but one. */
  close(but: Conversation | null = null): void {
    for (const talk of this.all.values()) if (talk !== but) talk.close()
    this.all.clear()
  }
}
