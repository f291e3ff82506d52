/**
 * The little that we read in a session description (RFC 8866): fingerprints, ICE generations, and our own attribute
 *
 *     a=visavis-generation:3
 *
 * at session level, which numbers the peer connections of a call; PEER.md says what for. Unknown attributes are
 * ignored by every parser (RFC 8866 §5.13), yet it is taken out again before a browser sees the description.
 */
import type { Candidate } from './protocol.js';
/** The description with its generation written down before the first media section. */
export declare function withGeneration(sdp: string, generation: number): string;
/** The description as the browser shall see it, and its generation; one without belongs to the first. */
export declare function takeGeneration(sdp: string): {
    readonly sdp: string;
    readonly generation: number;
};
/** The ICE user fragments in a description (RFC 8839 §5.4): one for each generation of ICE and unbundled section. */
export declare function userFragments(sdp: string): ReadonlySet<string>;
/** The user fragment a candidate belongs to; null if it does not say. */
export declare function userFragmentOf(candidate: Candidate): string | null;
/**
 * The fingerprint of the certificate behind a description (RFC 8122 §5) as `sha-256 AA:BB:…`; null unless there is
 * one and all media sections agree, because a section with another certificate would be another end.
 */
export declare function fingerprint(sdp: string): string | null;
