/**
 * What getStats says, in words a person understands: a pure function over two looks at the same peer connection.
 *
 * Chromium and Firefox differ in little (W3C webrtc-stats): Chromium names the selected pair in the `transport`,
 * Firefox may mark it `selected`; Firefox leaves out what it does not know. Every field is therefore taken as absent
 * until it is a number.
 */
import type { Quality } from './model.js'

/** One look. */
export interface Snapshot {
  /** ms, of any clock that does not go back. */
  readonly at: number
  readonly stats: readonly Stat[]
}

export type Stat = Readonly<Record<string, unknown>> & { readonly id: string; readonly type: string }

export const UNKNOWN: Quality = {
  verdict: 'unknown', route: 'unknown', protocol: '', roundTrip: null, bitrateIn: 0, bitrateOut: 0, lossIn: 0, lossOut: 0,
  width: 0, height: 0, framesPerSecond: 0, audioCodec: '', videoCodec: '',
}

/** A report as plain data. */
export function snapshot(report: RTCStatsReport, at: number): Snapshot {
  const stats: Stat[] = []
  report.forEach((stat: Stat) => stats.push(stat))
  return { at, stats }
}

/** The numbers between two looks, and what to make of them; without an earlier look, what one look can say. */
export function quality(before: Snapshot | null, now: Snapshot): Quality {
  const pair = selectedPair(now)
  if (pair === null) return UNKNOWN
  const local = find(now, pair['localCandidateId'])
  const remote = find(now, pair['remoteCandidateId'])
  const inbound = ofType(now, 'inbound-rtp')
  const video = picture(before, now)
  const audio = inbound.find((stat) => stat['kind'] === 'audio')
  const loss = { in: lossIn(before, now), out: lossOut(now) }
  const roundTrip = number(pair, 'currentRoundTripTime') ?? number(ofType(now, 'remote-inbound-rtp')[0], 'roundTripTime')
  return {
    verdict: before === null ? 'unknown' : verdict(Math.max(loss.in, loss.out), roundTrip),
    route: local?.['candidateType'] === 'relay' || remote?.['candidateType'] === 'relay' ? 'relayed' : 'direct',
    protocol: protocol(local),
    roundTrip,
    bitrateIn: rate(before, now, pair, 'bytesReceived'),
    bitrateOut: rate(before, now, pair, 'bytesSent'),
    lossIn: loss.in,
    lossOut: loss.out,
    width: number(video, 'frameWidth') ?? 0,
    height: number(video, 'frameHeight') ?? 0,
    framesPerSecond: framesPerSecond(before, now, video),
    audioCodec: codec(now, audio),
    videoCodec: codec(now, video),
  }
}

/**
 * - Round trip: ITU-T G.114 holds one way up to 150 ms good for all uses and up to 400 ms acceptable; half of the
 *   round trip is one way, and devices and jitter buffers add about 100 ms in each direction, which leaves 100 ms
 *   (round trip 200 ms) for good and 300 ms (600 ms) for fair.
 * - Loss: ITU-T G.1010 asks for less than 3 % in a conversation by voice and 1 % by video phone. Opus with in-band
 *   FEC and retransmitted video stand somewhat more: up to 2 % is good, up to 8 % fair.
 */
export function verdict(loss: number, roundTrip: number | null): Quality['verdict'] {
  if (loss > 0.08 || (roundTrip ?? 0) > 0.6) return 'poor'
  if (loss > 0.02 || (roundTrip ?? 0) > 0.2) return 'fair'
  return 'good'
}

/** Whether a picture of ours is made smaller because the path out carries no more. */
export function isUploadLimited(look: Snapshot): boolean {
  return ofType(look, 'outbound-rtp').some((stat) => stat['kind'] === 'video' && stat['active'] !== false && stat['qualityLimitationReason'] === 'bandwidth')
}

function ofType({ stats }: Snapshot, type: string): Stat[] {
  return stats.filter((stat) => stat.type === type)
}

function find({ stats }: Snapshot, id: unknown): Stat | undefined {
  return stats.find((stat) => stat.id === id)
}

function number(stat: Stat | undefined, field: string): number | null {
  const value = stat?.[field]
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}

function selectedPair(look: Snapshot): Stat | null {
  const named = ofType(look, 'transport').map((transport) => find(look, transport['selectedCandidatePairId'])).find((pair) => pair !== undefined)
  if (named) return named
  const pairs = ofType(look, 'candidate-pair').filter((pair) => pair['selected'] === true || (pair['nominated'] === true && pair['state'] === 'succeeded'))
  const weight = (pair: Stat) => (pair['selected'] === true ? Infinity : number(pair, 'bytesReceived') ?? 0)
  return pairs.sort((a, b) => weight(b) - weight(a))[0] ?? null
}

function protocol(local: Stat | undefined): string {
  const transport = typeof local?.['protocol'] === 'string' ? local['protocol'] : ''
  const relay = local?.['candidateType'] === 'relay' ? local['relayProtocol'] : undefined
  return typeof relay === 'string' && relay !== '' ? `${transport} via ${relay}` : transport
}

/** How much a counter of the same statistic grew; a counter that began anew counts from zero. */
function grown(before: Snapshot | null, stat: Stat, field: string): number {
  const value = number(stat, field) ?? 0
  const earlier = before ? number(find(before, stat.id), field) ?? 0 : 0
  return value >= earlier ? value - earlier : value
}

/** Bits per second. */
function rate(before: Snapshot | null, now: Snapshot, stat: Stat, field: string): number {
  if (before === null || now.at <= before.at) return 0
  return Math.round((grown(before, stat, field) * 8000) / (now.at - before.at))
}

function lossIn(before: Snapshot | null, now: Snapshot): number {
  if (before === null) return 0
  let lost = 0
  let received = 0
  for (const stat of ofType(now, 'inbound-rtp')) {
    // Late packets make `packetsLost` shrink (RFC 3550 §6.4.1): then nothing was lost.
    lost += Math.max(0, (number(stat, 'packetsLost') ?? 0) - (number(find(before, stat.id), 'packetsLost') ?? 0))
    received += grown(before, stat, 'packetsReceived')
  }
  return lost + received === 0 ? 0 : lost / (lost + received)
}

/** Of ours at them, as their last receiver reports say. */
function lossOut(now: Snapshot): number {
  const fractions = ofType(now, 'remote-inbound-rtp').map((stat) => number(stat, 'fractionLost') ?? 0)
  return Math.min(1, Math.max(0, ...fractions))
}

/** The video that is being decoded: of camera and screen the larger. */
function picture(before: Snapshot | null, now: Snapshot): Stat | undefined {
  const area = (stat: Stat) => (number(stat, 'frameWidth') ?? 0) * (number(stat, 'frameHeight') ?? 0)
  return ofType(now, 'inbound-rtp')
    .filter((stat) => stat['kind'] === 'video' && grown(before, stat, 'framesDecoded') > 0)
    .sort((a, b) => area(b) - area(a))[0]
}

function framesPerSecond(before: Snapshot | null, now: Snapshot, video: Stat | undefined): number {
  const told = number(video, 'framesPerSecond')
  if (told !== null || before === null || video === undefined || now.at <= before.at) return Math.round(told ?? 0)
  return Math.round((grown(before, video, 'framesDecoded') * 1000) / (now.at - before.at))
}

/** `VP8` for `video/VP8`. */
function codec(now: Snapshot, stat: Stat | undefined): string {
  const mime = find(now, stat?.['codecId'])?.['mimeType']
  return typeof mime === 'string' ? mime.slice(mime.indexOf('/') + 1) : ''
}
