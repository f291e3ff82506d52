/**
 * Which candidates of the other side a browser is to try first.
 *
 * A browser begins with the pair of the highest priority, which is that of the two hosts (RFC 8445 §6.1.2.3), and takes up
 * the next one 50 ms later. Between two homes behind different NATs that first check goes to an address that means
 * nothing here, and it is the second that opens the way.
 */
import type { Candidate } from './protocol.js'

interface Place {
  readonly address: string
  readonly type: string
}

/** In the order of RFC 8839 §5.1: foundation, component, transport, priority, address, port, "typ", type. */
function place({ candidate }: Candidate): Place {
  const [, , , , address = '', , , type = ''] = candidate.split(' ')
  return { address: address.toLowerCase(), type }
}

/** Of this network alone: RFC 1918, 6598, 3927, 4193 and 4291 §2.5.6, and names of multicast DNS. */
const LOCAL = /^(?:10\.|127\.|169\.254\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]:|::1$|.*\.local$)/

/**
 * Divides candidates into those to add at once and those to add a moment later: the addresses of the other one's own network,
 * if both are seen from outside and at different addresses. `local` is our own description with its candidates.
 */
export function promising(candidates: readonly Candidate[], local: string): { readonly now: readonly Candidate[]; readonly later: readonly Candidate[] } {
  const ours = new Set([...local.matchAll(/^a=(candidate:.* typ srflx.*)$/gm)].map(([, candidate = '']) => place({ candidate }).address))
  const theirs = candidates.map(place)
  const outside = theirs.filter(({ type }) => type === 'srflx')
  const apart = ours.size > 0 && outside.length > 0 && outside.every(({ address }) => !ours.has(address))
  const elsewhere = (_: Candidate, n: number) => apart && theirs[n]?.type === 'host' && LOCAL.test(theirs[n].address)
  return { now: candidates.filter((candidate, n) => !elsewhere(candidate, n)), later: candidates.filter(elsewhere) }
}
