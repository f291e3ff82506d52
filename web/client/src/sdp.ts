/**
 * The little that we read in a session description (RFC 8866): fingerprints, ICE generations, and our own attribute
 *
 *     a=visavis-generation:3
 *
 * at session level, which numbers the peer connections of a call; PEER.md says what for. Unknown attributes are
 * ignored by every parser (RFC 8866 §5.13), yet it is taken out again before a browser sees the description.
 */
import type { Candidate } from './protocol.js'

const GENERATION = /^a=visavis-generation:([0-9]{1,9})\r?\n/m

/** The description with its generation written down before the first media section. */
export function withGeneration(sdp: string, generation: number): string {
  const line = `a=visavis-generation:${generation}\r\n`
  const media = sdp.search(/^m=/m)
  return media < 0 ? sdp + line : sdp.slice(0, media) + line + sdp.slice(media)
}

/** The description as the browser shall see it, and its generation; one without belongs to the first. */
export function takeGeneration(sdp: string): { readonly sdp: string; readonly generation: number } {
  const generation = Number(GENERATION.exec(sdp)?.[1] ?? 1)
  return { sdp: sdp.replace(GENERATION, ''), generation }
}

/** The ICE user fragments in a description (RFC 8839 §5.4): one for each generation of ICE and unbundled section. */
export function userFragments(sdp: string): ReadonlySet<string> {
  return new Set([...sdp.matchAll(/^a=ice-ufrag:(\S+)/gm)].map((match) => match[1] ?? ''))
}

/** The user fragment a candidate belongs to; null if it does not say. */
export function userFragmentOf(candidate: Candidate): string | null {
  return candidate.usernameFragment ?? / ufrag (\S+)/.exec(candidate.candidate)?.[1] ?? null
}

/**
 * The fingerprint of the certificate behind a description (RFC 8122 §5) as `sha-256 AA:BB:…`; null unless there is
 * one and all media sections agree, because a section with another certificate would be another end.
 */
export function fingerprint(sdp: string): string | null {
  const all = new Set(
    [...sdp.matchAll(/^a=fingerprint:(\S+) ([0-9A-Fa-f:]+)\s*$/gm)]
      .map(([, hash = '', value = '']) => `${hash.toLowerCase()} ${value.toUpperCase()}`),
  )
  const [only] = all
  return all.size === 1 && only !== undefined ? only : null
}
