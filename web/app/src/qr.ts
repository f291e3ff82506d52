/**
 * QR codes (ISO/IEC 18004), as far as links need them: byte mode, error correction M, versions 1 to 10, which hold up
 * to 213 bytes.
 */

/** Per version 1 to 10 at level M: error-correction bytes per block, then blocks of the first and second size. */
const layouts: readonly (readonly [number, number, number, number, number])[] = [
  [10, 1, 16, 0, 0], [16, 1, 28, 0, 0], [26, 1, 44, 0, 0], [18, 2, 32, 0, 0], [24, 2, 43, 0, 0],
  [16, 4, 27, 0, 0], [18, 4, 31, 0, 0], [22, 2, 38, 2, 39], [22, 3, 36, 2, 37], [26, 4, 43, 1, 44],
]
/** Where the middles of the alignment patterns lie. */
const alignments: readonly (readonly number[])[] = [
  [], [6, 18], [6, 22], [6, 26], [6, 30], [6, 34], [6, 22, 38], [6, 24, 42], [6, 26, 46], [6, 28, 50],
]
const masks: readonly ((x: number, y: number) => boolean)[] = [
  (x, y) => (x + y) % 2 === 0, (_, y) => y % 2 === 0, x => x % 3 === 0, (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(y / 2) + Math.floor(x / 3)) % 2 === 0, (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0, (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
]

/** Powers and logarithms in the field of 256 elements with x^8 + x^4 + x^3 + x^2 + 1. */
const power = new Uint8Array(512)
const log = new Uint8Array(256)
for (let i = 0, x = 1; i < 255; i += 1) {
  power[i] = power[i + 255] = x
  log[x] = i
  x = (x << 1) ^ (x & 128 ? 0x11d : 0)
}
const at = (bytes: ArrayLike<number>, i: number): number => bytes[i] ?? 0

/** The remainder of Reed-Solomon: `count` error-correction bytes. */
function correction(data: Uint8Array, count: number): Uint8Array {
  let generator = [1]
  for (let i = 0; i < count; i += 1) {
    const next = [...generator, 0]
    generator.forEach((g, j) => { if (g) next[j + 1] = at(next, j + 1) ^ at(power, at(log, g) + i) })
    generator = next
  }
  const rest = new Uint8Array(data.length + count)
  rest.set(data)
  for (let i = 0; i < data.length; i += 1) {
    const lead = at(rest, i)
    if (lead) generator.forEach((g, j) => { if (g) rest[i + j] = at(rest, i + j) ^ at(power, at(log, g) + at(log, lead)) })
  }
  return rest.slice(data.length)
}

/** The text with its header and padding, in blocks, each followed by its correction, all interleaved. */
function codewords(text: Uint8Array, version: number, layout: (typeof layouts)[number]): number[] {
  const [count, firstBlocks, firstSize, secondBlocks, secondSize] = layout
  const capacity = firstBlocks * firstSize + secondBlocks * secondSize
  const bits: number[] = []
  const push = (value: number, width: number): void => { for (let i = width - 1; i >= 0; i -= 1) bits.push((value >> i) & 1) }
  push(4, 4)
  push(text.length, version < 10 ? 8 : 16)
  for (const byte of text) push(byte, 8)
  push(0, Math.min(4, capacity * 8 - bits.length))
  while (bits.length % 8) bits.push(0)
  const data = new Uint8Array(capacity)
  bits.forEach((bit, i) => { data[i >> 3] = at(data, i >> 3) | (bit << (7 - (i & 7))) })
  for (let i = bits.length / 8, pad = 0xec; i < capacity; i += 1, pad ^= 0xec ^ 0x11) data[i] = pad
  const blocks: Uint8Array[] = []
  for (let i = 0, from = 0; i < firstBlocks + secondBlocks; i += 1) {
    const end = from + (i < firstBlocks ? firstSize : secondSize)
    blocks.push(data.slice(from, end))
    from = end
  }
  const out: number[] = []
  const weave = (parts: readonly Uint8Array[]): void => {
    const longest = Math.max(...parts.map(part => part.length))
    for (let i = 0; i < longest; i += 1) for (const part of parts) if (i < part.length) out.push(at(part, i))
  }
  weave(blocks)
  weave(blocks.map(block => correction(block, count)))
  return out
}

/** A square being drawn: what is dark, and what belongs to the fixed patterns. */
class Grid {
  readonly size: number
  readonly dark: boolean[][]
  readonly fixed: boolean[][]
  constructor(size: number) {
    this.size = size
    this.dark = Array.from({ length: size }, () => Array<boolean>(size).fill(false))
    this.fixed = Array.from({ length: size }, () => Array<boolean>(size).fill(false))
  }
  get(x: number, y: number): boolean { return this.dark[y]?.[x] ?? false }
  isFixed(x: number, y: number): boolean { return this.fixed[y]?.[x] ?? true }
  set(x: number, y: number, dark: boolean): void {
    const row = this.dark[y]
    const fixed = this.fixed[y]
    if (!row || !fixed || x < 0 || x >= this.size) return
    row[x] = dark
    fixed[x] = true
  }
  flip(x: number, y: number): void { const row = this.dark[y]; if (row) row[x] = !row[x] }
}

function drawPatterns(grid: Grid, version: number): void {
  const { size } = grid
  for (let i = 0; i < size; i += 1) { grid.set(6, i, i % 2 === 0); grid.set(i, 6, i % 2 === 0) }
  for (const [cx, cy] of [[3, 3], [size - 4, 3], [3, size - 4]] as const) {
    for (let y = -4; y <= 4; y += 1) for (let x = -4; x <= 4; x += 1) {
      const ring = Math.max(Math.abs(x), Math.abs(y))
      grid.set(cx + x, cy + y, ring !== 2 && ring !== 4)
    }
  }
  const middles = alignments[version - 1] ?? []
  const last = middles.at(-1)
  for (const cx of middles) for (const cy of middles) {
    if ((cx === 6 && cy === 6) || (cx === 6 && cy === last) || (cx === last && cy === 6)) continue
    for (let y = -2; y <= 2; y += 1) for (let x = -2; x <= 2; x += 1) grid.set(cx + x, cy + y, Math.max(Math.abs(x), Math.abs(y)) !== 1)
  }
  if (version < 7) return
  let rest = version
  for (let i = 0; i < 12; i += 1) rest = (rest << 1) ^ ((rest >> 11) * 0x1f25)
  const bits = (version << 12) | rest
  for (let i = 0; i < 18; i += 1) {
    const a = size - 11 + (i % 3)
    const b = Math.floor(i / 3)
    grid.set(a, b, ((bits >> i) & 1) === 1)
    grid.set(b, a, ((bits >> i) & 1) === 1)
  }
}

/** The format: level M is 0, then the mask. */
function drawFormat(grid: Grid, mask: number): void {
  let rest = mask
  for (let i = 0; i < 10; i += 1) rest = (rest << 1) ^ ((rest >> 9) * 0x537)
  const bits = ((mask << 10) | rest) ^ 0x5412
  const bit = (i: number): boolean => ((bits >> i) & 1) === 1
  const { size } = grid
  for (let i = 0; i < 6; i += 1) { grid.set(8, i, bit(i)); grid.set(5 - i, 8, bit(9 + i)) }
  grid.set(8, 7, bit(6))
  grid.set(8, 8, bit(7))
  grid.set(7, 8, bit(8))
  for (let i = 0; i < 8; i += 1) grid.set(size - 1 - i, 8, bit(i))
  for (let i = 8; i < 15; i += 1) grid.set(8, size - 15 + i, bit(i))
  grid.set(8, size - 8, true)
}

/** Fills the free modules in columns of two, from the right, upwards and downwards in turn, around the timing column. */
function drawData(grid: Grid, words: readonly number[]): void {
  let i = 0
  let upwards = true
  for (let right = grid.size - 1; right >= 1; right -= 2) {
    if (right === 6) right = 5
    for (let step = 0; step < grid.size; step += 1) for (let side = 0; side < 2; side += 1) {
      const x = right - side
      const y = upwards ? grid.size - 1 - step : step
      if (grid.isFixed(x, y)) continue
      if ((at(words, i >> 3) >> (7 - (i & 7))) & 1) grid.flip(x, y)
      i += 1
    }
    upwards = !upwards
  }
}

/** How much a pattern could confuse a reader: long runs, squares, and shapes like a finder (§7.8.3.1). */
function penalty(grid: Grid): number {
  const { size } = grid
  let total = 0
  let dark = 0
  for (let a = 0; a < size; a += 1) for (const across of [true, false]) {
    let run = 0
    let history = 0
    for (let b = 0; b < size; b += 1) {
      const now = across ? grid.get(b, a) : grid.get(a, b)
      const before = b > 0 && (across ? grid.get(b - 1, a) : grid.get(a, b - 1)) === now
      run = before ? run + 1 : 1
      if (run === 5) total += 3
      else if (run > 5) total += 1
      history = ((history << 1) | (now ? 1 : 0)) & 0x7ff
      if (b >= 10 && (history === 0x5d0 || history === 0x05d)) total += 40
    }
  }
  for (let y = 0; y < size; y += 1) for (let x = 0; x < size; x += 1) {
    const now = grid.get(x, y)
    if (now) dark += 1
    if (x > 0 && y > 0 && now === grid.get(x - 1, y) && now === grid.get(x, y - 1) && now === grid.get(x - 1, y - 1)) total += 3
  }
  return total + Math.floor(Math.abs((dark * 20) / (size * size) - 10)) * 10
}

/** The modules of the code, row by row, true for dark, without the quiet zone; null for a text that is too long. */
export function qr(text: string): boolean[][] | null {
  const bytes = new TextEncoder().encode(text)
  const index = layouts.findIndex(([, a, b, c, d], i) => bytes.length + (i < 9 ? 2 : 3) <= a * b + c * d)
  const layout = layouts[index]
  if (!layout) return null
  const version = index + 1
  const words = codewords(bytes, version, layout)
  let best: Grid | null = null
  let least = Infinity
  masks.forEach((inverted, mask) => {
    const grid = new Grid(17 + version * 4)
    drawPatterns(grid, version)
    drawFormat(grid, mask)
    drawData(grid, words)
    for (let y = 0; y < grid.size; y += 1) for (let x = 0; x < grid.size; x += 1) if (!grid.isFixed(x, y) && inverted(x, y)) grid.flip(x, y)
    const score = penalty(grid)
    if (score < least) { least = score; best = grid }
  })
  return (best as Grid | null)?.dark ?? null
}
