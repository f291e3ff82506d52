/**
 * The numbers of keys. One sender has one base key at a time; from it comes a key for each of its sources, because the
 * number (KID) goes into the derivation (RFC 9605 §4.4.2):
 *
 * ```text
 *  member's number    source   generation   step
 *      32 bits        2 bits     4 bits    4 bits
 * ```
 *
 * A new generation is another random base key (somebody left), a new step the old one ratcheted (somebody came).
 * Generations count on beyond their 4 bits; of what the KID leaves out a receiver knows the rest.
 */

/** What is encrypted. */
export type Source = 'microphone' | 'camera' | 'screen' | 'message'
export const SOURCES: readonly Source[] = ['microphone', 'camera', 'screen', 'message']

/** Steps of one generation. */
export const STEPS = 16
const GENERATIONS = 16

export interface KeyName {
  readonly member: number
  readonly source: Source
  /** Modulo 16. */
  readonly generation: number
  readonly step: number
}

export function kidOf(member: number, source: Source, generation: number, step: number): bigint {
  const low = (SOURCES.indexOf(source) << 8) | ((generation % GENERATIONS) << 4) | step
  return (BigInt(member) << 10n) | BigInt(low)
}

/** What a KID names; null if it is none of ours. */
export function readKid(kid: bigint): KeyName | null {
  if (kid >> 42n !== 0n) return null
  const low = Number(kid & 0x3ffn)
  const source = SOURCES[low >> 8]
  return source === undefined ? null : { member: Number(kid >> 10n), source, generation: (low >> 4) & 0x0f, step: low & 0x0f }
}

/** Whether a generation is the one whose lowest bits a KID tells. */
export function sameGeneration(generation: number, told: number): boolean {
  return generation % GENERATIONS === told
}
