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

/**
 * The description without any address in it (RFC 8839 §5.1, RFC 8866 §5.2, §5.7, RFC 3605): before a call is accepted
 * nobody is told where the other is, nor tries to reach them.
 */
export function withoutAddresses(sdp: string): string {
  return sdp
    .replace(/^a=(?:candidate|end-of-candidates|remote-candidates)\b.*\r?\n/gm, '')
    .replace(/^((?:o=.*|c=|a=rtcp:\d+ )IN) IP[46] \S+/gm, '$1 IP4 0.0.0.0')
    .replace(/^(m=\S+) (?!0 )\d+/gm, '$1 9')
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

/** The header extensions that a section which only receives from the server has a use for. */
const SLOT_EXTENSIONS = /sdes:mid|transport-wide-cc|abs-send-time|ssrc-audio-level/

/**
 * An offer with less in its many receiving sections: a browser repeats in each what it could do with media that the
 * server never sends, and with 49 of them that is more than a message may hold. Left out are header extensions, feedback
 * for payload types that are not offered, and sources that send nothing.
 */
export function concise(sdp: string): string {
  const [session = '', ...sections] = sdp.split(/^(?=m=)/m)
  return session + sections.map((section) => (/^a=recvonly\r?$/m.test(section) ? conciseSection(section) : section)).join('')
}

function conciseSection(section: string): string {
  const offered = new Set(/^m=\S+ \S+ \S+ ([^\r\n]*)/.exec(section)?.[1]?.split(' ') ?? [])
  const needed = (line: string) => {
    if (line.startsWith('a=extmap:')) return SLOT_EXTENSIONS.test(line)
    const feedback = /^a=rtcp-fb:(\d+) /.exec(line)?.[1]
    if (feedback !== undefined) return offered.has(feedback)
    return !/^a=(?:ssrc|ssrc-group|rtcp-xr|rtcp):/.test(line)
  }
  return section.split(/(?<=\n)/).filter(needed).join('')
}
