/** Where the tiles of a room lie: pure arithmetic, so that it can be tested without a window. */

export interface Size { readonly width: number; readonly height: number }
export interface Box extends Size { readonly x: number; readonly y: number }

/** Where everything lies; `height` is more than the area's where one has to scroll. */
export interface Placed {
  readonly boxes: readonly Box[]
  readonly height: number
}

/** Width to height: pictures are cut a little at the edges rather than leave the space between these empty. */
const widest = 16 / 9
const narrowest = 4 / 3
/** On a phone held upright, faces may stand upright too. */
const narrowestUpright = 0.62
/** Smaller than this, in pixels, a face says nothing: the rest is reached by scrolling. */
const leastHeight = 84
const leastHeightPhone = 148
/** Below this width the page is a phone's. */
export const phoneWidth = 600
const gapWide = 8
const gapPhone = 6

function clampAspect({ width, height }: Size, least: number): Size {
  const aspect = width / height
  if (aspect > widest) return { width: height * widest, height }
  if (aspect < least) return { width, height: width / least }
  return { width, height }
}

/** The size of a tile when so many columns share the area. */
function cell(count: number, columns: number, area: Size, gap: number, least: number): Size {
  const rows = Math.ceil(count / columns)
  const width = (area.width - gap * (columns - 1)) / columns
  const height = (area.height - gap * (rows - 1)) / rows
  return width > 0 && height > 0 ? clampAspect({ width, height }, least) : { width: 0, height: 0 }
}

/** `count` tiles of one size, as large as the area allows; the last row stands in the middle. */
export function grid(count: number, area: Size): Placed {
  if (count === 0 || area.width <= 0 || area.height <= 0) return { boxes: [], height: 0 }
  const phone = area.width < phoneWidth
  const gap = phone ? gapPhone : gapWide
  const least = phone || area.height > area.width ? narrowestUpright : narrowest
  const most = phone ? Math.min(2, count) : count
  let columns = 1
  let best = cell(count, 1, area, gap, least)
  for (let n = 2; n <= most; n += 1) {
    const size = cell(count, n, area, gap, least)
    if (size.width * size.height > best.width * best.height + 0.5) { columns = n; best = size }
  }
  const smallest = phone ? leastHeightPhone : leastHeight
  if (best.height < smallest) {
    columns = phone ? 2 : Math.max(1, Math.floor((area.width + gap) / (smallest * widest + gap)))
    const width = (area.width - gap * (columns - 1)) / columns
    best = { width, height: Math.max(smallest, width / (phone ? narrowest : widest)) }
  }
  return rows(count, columns, best, area, gap)
}

function rows(count: number, columns: number, tile: Size, area: Size, gap: number): Placed {
  const lines = Math.ceil(count / columns)
  const height = lines * tile.height + (lines - 1) * gap
  const top = Math.max(0, (area.height - height) / 2)
  const boxes = Array.from({ length: count }, (_, index): Box => {
    const line = Math.floor(index / columns)
    const inLine = Math.min(columns, count - line * columns)
    const left = (area.width - inLine * tile.width - (inLine - 1) * gap) / 2
    return { x: left + (index % columns) * (tile.width + gap), y: top + line * (tile.height + gap), ...tile }
  })
  return { boxes, height: Math.max(area.height, height) }
}

/** What is large, and what is small beside it: boxes of the large ones first, then those of the small ones. */
export interface Featured extends Placed {
  /** How many of the small ones have no box. */
  readonly hidden: number
  /** Where to say so. */
  readonly rest: Box | null
}

/** One or two large tiles and a strip of small ones: beside them in a wide window, under them in an upright one. */
export function featured(large: number, small: number, area: Size): Featured {
  if (area.width <= 0 || area.height <= 0) return { boxes: [], height: 0, hidden: small, rest: null }
  const phone = area.width < phoneWidth
  const gap = phone ? gapPhone : gapWide
  const upright = area.height > area.width
  if (small === 0) return { ...spread(large, area, gap), hidden: 0, rest: null }
  const strip = upright ? under(small, area, gap, phone) : beside(small, area, gap)
  const main: Size = upright ? { width: area.width, height: area.height - strip.size - gap } : { width: area.width - strip.size - gap, height: area.height }
  // Where some have no place, the last place says how many.
  const [boxes, rest] = strip.boxes.length < small ? [strip.boxes.slice(0, -1), strip.boxes.at(-1) ?? null] : [strip.boxes, null]
  return { boxes: [...spread(large, main, gap).boxes, ...boxes], height: area.height, hidden: small - boxes.length, rest }
}

/** The large tiles fill their part of the area; two of them share it the way that leaves more to each. */
function spread(count: number, area: Size, gap: number): Placed {
  const across = area.width / area.height > 1.6
  const boxes = Array.from({ length: count }, (_, index): Box => {
    if (across) {
      const width = (area.width - gap * (count - 1)) / count
      return { x: index * (width + gap), y: 0, width, height: area.height }
    }
    const height = (area.height - gap * (count - 1)) / count
    return { x: 0, y: index * (height + gap), width: area.width, height }
  })
  return { boxes, height: area.height }
}

interface Strip { readonly boxes: readonly Box[]; readonly size: number }

function beside(count: number, area: Size, gap: number): Strip {
  const width = Math.min(260, Math.max(136, area.width * 0.17))
  const height = width / widest
  const fit = Math.max(1, Math.floor((area.height + gap) / (height + gap)))
  // A second column costs the large picture less than it shows of the others, where the window is wide.
  const columns = count > fit && area.width > 1100 ? 2 : 1
  const narrow = columns === 2 ? Math.max(136, width * 0.72) : width
  const tile: Size = { width: narrow, height: narrow / widest }
  const perColumn = Math.max(1, Math.floor((area.height + gap) / (tile.height + gap)))
  const shown = Math.min(count, columns * perColumn)
  const size = columns * tile.width + (columns - 1) * gap
  const lines = Math.ceil(shown / columns)
  const top = (area.height - lines * tile.height - (lines - 1) * gap) / 2
  const boxes = Array.from({ length: shown }, (_, index): Box => ({
    x: area.width - size + (index % columns) * (tile.width + gap), y: top + Math.floor(index / columns) * (tile.height + gap), ...tile,
  }))
  return { boxes, size }
}

function under(count: number, area: Size, gap: number, phone: boolean): Strip {
  const columns = phone ? Math.min(3, Math.max(2, count)) : Math.max(2, Math.floor((area.width + gap) / (180 + gap)))
  const width = (area.width - gap * (columns - 1)) / columns
  const tile: Size = { width, height: width / narrowest }
  const lines = Math.min(Math.ceil(count / columns), Math.max(1, Math.floor((area.height * 0.45 + gap) / (tile.height + gap))))
  const shown = Math.min(count, lines * columns)
  const size = lines * tile.height + (lines - 1) * gap
  const boxes = Array.from({ length: shown }, (_, index): Box => {
    const line = Math.floor(index / columns)
    const inLine = Math.min(columns, shown - line * columns)
    const left = (area.width - inLine * tile.width - (inLine - 1) * gap) / 2
    return { x: left + (index % columns) * (tile.width + gap), y: area.height - size + line * (tile.height + gap), ...tile }
  })
  return { boxes, size }
}

/** Whether a box is in the window of a scrolled area, or so near that it will be in a moment. */
export function inView(box: Box, scrolled: number, height: number): boolean {
  const margin = box.height / 2
  return box.y + box.height > scrolled - margin && box.y < scrolled + height + margin
}

/** Of `all`, the `most` that are to be seen: whoever spoke lately before the others, in the order of `all`. */
export function seen<T>(all: readonly T[], most: number, lately: readonly T[]): readonly T[] {
  if (all.length <= most) return all
  const first = lately.filter(one => all.includes(one)).slice(0, most)
  const kept = new Set([...first, ...all.filter(one => !first.includes(one)).slice(0, most - first.length)])
  return all.filter(one => kept.has(one))
}
