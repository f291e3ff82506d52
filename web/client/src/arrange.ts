/** Which picture goes into which slot of a room's peer connection: pure functions. */
import type { Tile } from './model.js'
import type { Want } from './protocol.js'

/** Heights are told in steps of this many pixels, so that a window that is dragged says little. */
const HEIGHT_STEP = 30

/**
 * Puts the wanted tiles into slots. One that has a slot keeps it, because a slot that changes hands waits for a
 * keyframe; the others take the free ones in their order. What finds no slot is left out.
 */
export function assign(slots: readonly (Want | null)[], tiles: readonly Tile[], count: number): (Want | null)[] {
  const wants = tiles.slice(0, count).map(({ member, source, height }) => ({ member, source, height: Math.max(HEIGHT_STEP, Math.ceil(height / HEIGHT_STEP) * HEIGHT_STEP) }))
  const next = Array.from({ length: count }, (_, slot) => wants.find((want) => sameView(want, slots[slot])) ?? null)
  for (const want of wants) {
    const free = next.indexOf(null)
    if (free >= 0 && !next.includes(want)) next[free] = want
  }
  return next
}

export function sameView(a: Pick<Want, 'member' | 'source'> | null | undefined, b: Pick<Want, 'member' | 'source'> | null | undefined): boolean {
  return a?.member === b?.member && a?.source === b?.source
}

export function sameLayout(a: readonly (Want | null)[], b: readonly (Want | null)[]): boolean {
  return a.length === b.length && a.every((want, slot) => sameView(want, b[slot]) && want?.height === b[slot]?.height)
}
