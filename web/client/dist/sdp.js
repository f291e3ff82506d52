const GENERATION = /^a=visavis-generation:([0-9]{1,9})\r?\n/m;
/** The description with its generation written down before the first media section. */
export function withGeneration(sdp, generation) {
    const line = `a=visavis-generation:${generation}\r\n`;
    const media = sdp.search(/^m=/m);
    return media < 0 ? sdp + line : sdp.slice(0, media) + line + sdp.slice(media);
}
/** The description as the browser shall see it, and its generation; one without belongs to the first. */
export function takeGeneration(sdp) {
    const generation = Number(GENERATION.exec(sdp)?.[1] ?? 1);
    return { sdp: sdp.replace(GENERATION, ''), generation };
}
/** The ICE user fragments in a description (RFC 8839 §5.4): one for each generation of ICE and unbundled section. */
export function userFragments(sdp) {
    return new Set([...sdp.matchAll(/^a=ice-ufrag:(\S+)/gm)].map((match) => match[1] ?? ''));
}
/** The user fragment a candidate belongs to; null if it does not say. */
export function userFragmentOf(candidate) {
    return candidate.usernameFragment ?? / ufrag (\S+)/.exec(candidate.candidate)?.[1] ?? null;
}
/**
 * The fingerprint of the certificate behind a description (RFC 8122 §5) as `sha-256 AA:BB:…`; null unless there is
 * one and all media sections agree, because a section with another certificate would be another end.
 */
export function fingerprint(sdp) {
    const all = new Set([...sdp.matchAll(/^a=fingerprint:(\S+) ([0-9A-Fa-f:]+)\s*$/gm)]
        .map(([, hash = '', value = '']) => `${hash.toLowerCase()} ${value.toUpperCase()}`));
    const [only] = all;
    return all.size === 1 && only !== undefined ? only : null;
}
