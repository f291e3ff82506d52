/** Where the small picture rests: it is let go anywhere and slides into the corner it was heading for. */
export type Corner = 'top-left' | 'top-right' | 'bottom-left' | 'bottom-right'
export const corners: readonly Corner[] = ['top-left', 'top-right', 'bottom-right', 'bottom-left']

interface Size { readonly width: number; readonly height: number }
interface Point { readonly x: number; readonly y: number }

/** How far, in seconds of its last speed, a thrown tile is carried before its corner is chosen. */
const carry = 0.12

/** The corner for a tile whose middle is at `at`, let go while moving at `speed` (pixels per second). */
export function nearestCorner(area: Size, at: Point, speed: Point = { x: 0, y: 0 }): Corner {
  const x = at.x + speed.x * carry
  const y = at.y + speed.y * carry
  const vertical = y < area.height / 2 ? 'top' : 'bottom'
  return `${vertical}-${x < area.width / 2 ? 'left' : 'right'}`
}

/** The corner that an arrow key leads to. */
export function cornerTowards(from: Corner, key: string): Corner {
  const [vertical, horizontal] = from.split('-') as ['top' | 'bottom', 'left' | 'right']
  switch (key) {
    case 'ArrowUp': return `top-${horizontal}`
    case 'ArrowDown': return `bottom-${horizontal}`
    case 'ArrowLeft': return `${vertical}-left`
    case 'ArrowRight': return `${vertical}-right`
    default: return from
  }
}

/** The next corner clockwise. */
export function cornerAfter(from: Corner): Corner {
  return corners[(corners.indexOf(from) + 1) % corners.length] ?? from
}
