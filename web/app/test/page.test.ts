import jsQR from 'jsqr'
import { describe, expect, test } from 'vitest'
import { commandOf, commands, type Situation } from '../src/commands.js'
import { pieces } from '../src/links.js'
import { qr } from '../src/qr.js'
import { callLink, freshKey, freshRoom, meetLink, pathOf, readRoute } from '../src/route.js'
import { cornerAfter, corners, cornerTowards, nearestCorner } from '../src/snap.js'
import { defaults, readPrefs, withRecent, writePrefs } from '../src/state/prefs.js'
import { figuresOf, largeOf } from '../src/state/stage.js'
import { featured, grid, inView, phoneWidth, seen, type Box, type Size } from '../src/tiles.js'
import { states } from './gallery/states.js'

function situation(state: string, features: Partial<Situation['features']> = {}): Situation {
  const all = { screen: true, fullScreen: true, picture: true, speaker: true, notifications: true, passkeys: true, encryption: true }
  return {
    model: states[state]!.model, features: { ...all, ...features }, fill: true, speakerView: false,
    ui: { route: { kind: 'start' }, panel: null, dialog: null, more: false, reacting: false, pinned: null, flash: null, news: null, query: '', filesTo: null, intent: null, unread: 0, fullScreen: false, updateReady: false },
  }
}
const press = (key: string, held: Partial<Record<'shiftKey' | 'ctrlKey' | 'altKey' | 'metaKey', boolean>> = {}) => ({ key, shiftKey: false, ctrlKey: false, altKey: false, metaKey: false, ...held })
const available = (now: Situation): string[] => Object.values(commands).filter(command => command.available(now)).map(command => command.id).sort()

describe('commands', () => {
  test('each is listed under its own id and no two share a key', () => {
    for (const [id, command] of Object.entries(commands)) expect(command.id).toBe(id)
    const keys = Object.values(commands).map(command => command.key).filter(key => key !== null)
    expect(new Set(keys).size).toBe(keys.length)
  })
  test.each([
    ['start', ['camera', 'help', 'mute', 'recordings', 'settings']],
    ['ringing', ['camera', 'hangUp', 'help', 'mute', 'recordings', 'settings']],
    ['incoming', ['accept', 'acceptAudio', 'camera', 'decline', 'help', 'mute', 'recordings', 'settings']],
    ['running', ['camera', 'chat', 'details', 'file', 'fill', 'fullScreen', 'hangUp', 'help', 'link', 'mute', 'people', 'picture', 'recordings', 'screen', 'settings']],
    ['room-4', ['camera', 'chat', 'details', 'file', 'fill', 'fullScreen', 'groups', 'hand', 'hangUp', 'help', 'link', 'mute', 'people', 'picture', 'record', 'recordings', 'screen', 'settings', 'speakerView']],
    ['room-attendee', ['chat', 'details', 'file', 'fill', 'fullScreen', 'hand', 'hangUp', 'help', 'link', 'people', 'picture', 'recordings', 'settings', 'speakerView']],
    ['ended-hung-up', ['help', 'recordings', 'settings']],
  ])('in the state %s these can be given: %j', (state, ids) => expect(available(situation(state))).toEqual(ids))
  test('what the browser cannot do is not offered', () => {
    expect(available(situation('running', { screen: false, fullScreen: false, picture: false }))).not.toEqual(expect.arrayContaining(['screen']))
    expect(available(situation('running', { picture: false }))).not.toContain('picture')
  })
  test('a key gives a command only where it is available, and never with another modifier', () => {
    expect(commandOf(press('m'), situation('running'))?.id).toBe('mute')
    expect(commandOf(press('M', { shiftKey: true }), situation('running'))).toBeNull()
    expect(commandOf(press('M'), situation('running'))?.id).toBe('mute')
    expect(commandOf(press('H', { shiftKey: true }), situation('running'))?.id).toBe('hangUp')
    expect(commandOf(press('h'), situation('running'))).toBeNull()
    expect(commandOf(press('h'), situation('room-4'))?.id).toBe('hand')
    expect(commandOf(press('a'), situation('running'))).toBeNull()
    expect(commandOf(press('a'), situation('incoming'))?.id).toBe('accept')
    expect(commandOf(press('?', { shiftKey: true }), situation('running'))?.id).toBe('help')
    for (const held of ['ctrlKey', 'altKey', 'metaKey'] as const) expect(commandOf(press('m', { [held]: true }), situation('running'))).toBeNull()
  })
  test('toggles keep their name and tell their position', () => {
    expect(commands.mute.pressed?.(situation('running'))).toBe(false)
    expect(commands.mute.pressed?.(situation('running-muted'))).toBe(true)
    expect(commands.camera.pressed?.(situation('running'))).toBe(true)
    expect(commands.camera.pressed?.(situation('running-muted'))).toBe(false)
    expect(commands.screen.pressed?.(situation('running-my-screen'))).toBe(true)
  })
})

describe('the small picture', () => {
  const area = { width: 1000, height: 600 }
  test.each([
    [{ x: 499, y: 299 }, 'top-left'], [{ x: 500, y: 299 }, 'top-right'], [{ x: 499, y: 300 }, 'bottom-left'], [{ x: 500, y: 300 }, 'bottom-right'],
  ] as const)('let go at %j it rests %s', (at, corner) => expect(nearestCorner(area, at)).toBe(corner))
  test('thrown, it goes where it was heading', () => {
    expect(nearestCorner(area, { x: 400, y: 100 }, { x: 800, y: 0 })).toBe('top-left')
    expect(nearestCorner(area, { x: 400, y: 100 }, { x: 900, y: 0 })).toBe('top-right')
    expect(nearestCorner(area, { x: 900, y: 100 }, { x: 0, y: 2000 })).toBe('bottom-right')
  })
  test('arrow keys lead along the edges', () => {
    expect(cornerTowards('bottom-right', 'ArrowUp')).toBe('top-right')
    expect(cornerTowards('top-right', 'ArrowLeft')).toBe('top-left')
    expect(cornerTowards('top-left', 'ArrowLeft')).toBe('top-left')
    expect(cornerTowards('top-left', 'Enter')).toBe('top-left')
  })
  test('four steps lead round', () => expect(corners.reduce(corner => cornerAfter(corner), 'top-left')).toBe('top-left'))
})

describe('tiles', () => {
  const areas: readonly (readonly [string, Size])[] = [['a wide window', { width: 1240, height: 620 }], ['a small window', { width: 800, height: 420 }], ['a tablet upright', { width: 760, height: 900 }], ['a phone', { width: 374, height: 640 }], ['a phone lying', { width: 800, height: 220 }]]
  const overlap = (a: Box, b: Box): boolean => a.x < b.x + b.width - 0.01 && b.x < a.x + a.width - 0.01 && a.y < b.y + b.height - 0.01 && b.y < a.y + a.height - 0.01
  const well = (boxes: readonly Box[], { width }: Size, height: number): void => {
    const outside = (box: Box): boolean => Math.min(box.x, box.y) < -0.01 || box.x + box.width > width + 0.01 || box.y + box.height > height + 0.01
    expect(boxes.filter((box, index) => outside(box) || boxes.slice(index + 1).some(other => overlap(box, other)))).toEqual([])
  }
  const covered = (boxes: readonly Box[]): number => boxes.reduce((sum, { width, height }) => sum + width * height, 0)

  test.each(areas)('in %s lie beside each other, whole, from 1 to 100', (_, area) => {
    for (let count = 1; count <= 100; count += 1) {
      const { boxes, height } = grid(count, area)
      expect(boxes.length).toBe(count)
      well(boxes, area, height)
      const shape = boxes[0]!.width / boxes[0]!.height
      expect(shape).toBeLessThanOrEqual(16 / 9 + 0.01)
      expect(shape).toBeGreaterThanOrEqual(area.width < phoneWidth || area.height > area.width ? 0.61 : 4 / 3 - 0.01)
    }
  })
  test.each(areas)('in %s use the space well: no other number of columns makes them larger', (_, area) => {
    for (let count = 1; count <= 49; count += 1) {
      const { boxes, height } = grid(count, area)
      if (height > area.height + 0.01) continue
      const gap = area.width < phoneWidth ? 6 : 8
      const least = area.width < phoneWidth || area.height > area.width ? 0.62 : 4 / 3
      for (let columns = 1; columns <= (area.width < phoneWidth ? 2 : count); columns += 1) {
        const lines = Math.ceil(count / columns)
        const [w, h] = [(area.width - gap * (columns - 1)) / columns, (area.height - gap * (lines - 1)) / lines]
        if (w <= 0 || h <= 0) continue
        const other = w / h > 16 / 9 ? h * 16 / 9 * h : w / h < least ? w * w / least : w * h
        expect(boxes[0]!.width * boxes[0]!.height).toBeGreaterThanOrEqual(other - 1)
      }
    }
  })
  test('49 fit into a wide window, and more scroll', () => {
    expect(grid(49, areas[0]![1]).height).toBe(620)
    expect(grid(80, areas[0]![1]).height).toBeGreaterThan(620)
  })
  test('a phone has two columns, and the rest by scrolling', () => {
    const { boxes, height } = grid(20, { width: 374, height: 640 })
    expect(new Set(boxes.map(({ x }) => Math.round(x))).size).toBe(2)
    expect(height).toBeGreaterThan(640)
  })
  test('fill most of the window whenever a row can be full', () => {
    for (const count of [1, 2, 4, 6, 9, 12, 16, 20, 25]) expect(covered(grid(count, areas[0]![1]).boxes) / (1240 * 620), String(count)).toBeGreaterThan(0.6)
  })
  test.each(areas)('in %s the large ones take most, and every small one has a place or is counted', (_, area) => {
    for (const large of [1, 2]) for (let small = 0; small <= 60; small += 1) {
      const { boxes, hidden, rest, height } = featured(large, small, area)
      expect(boxes.length + hidden).toBe(large + small)
      expect(rest !== null).toBe(hidden > 0)
      expect(hidden).not.toBe(1)
      well(rest ? [...boxes, rest] : boxes, area, height)
      expect(covered(boxes.slice(0, large))).toBeGreaterThan(area.width * area.height * 0.4)
    }
  })
  test('where nothing has been measured yet there are none', () => {
    expect(grid(3, { width: 0, height: 0 }).boxes).toEqual([])
    expect(featured(1, 3, { width: 0, height: 0 })).toMatchObject({ boxes: [], hidden: 3 })
  })
  test.each([[150, false], [151, true], [400, true], [649, true], [650, false]])('scrolled to %d, a tile at 500 to 600 in a window of 300 is wanted: %s', (scrolled, wanted) => {
    expect(inView({ x: 0, y: 500, width: 100, height: 100 }, scrolled, 300)).toBe(wanted)
  })
  test.each([
    [['a', 'b', 'c'], 3, [], ['a', 'b', 'c']], [['a', 'b', 'c', 'd'], 2, [], ['a', 'b']], [['a', 'b', 'c', 'd'], 2, ['d'], ['a', 'd']],
    [['a', 'b', 'c', 'd'], 2, ['d', 'c', 'b'], ['c', 'd']], [['a', 'b', 'c'], 2, ['gone', 'c'], ['a', 'c']], [['a'], 0, ['a'], []],
  ])('of %j the %d that are seen after %j spoke are %j', (all, most, lately, shown) => expect(seen(all, most, lately)).toEqual(shown))
})

describe('the stage of a room', () => {
  const room = (state: string) => { const { call } = states[state]!.model; if (call.kind !== 'room') throw new Error(state); return call }
  const large = (state: string, pinned: string | null, speakerView: boolean, speaker: number | null = null) => largeOf(figuresOf(room(state)), pinned, speakerView, speaker)
  test('screens come first, we come last, and our own screen does not come', () => {
    expect(figuresOf(room('room-screen')).map(({ key }) => key)).toEqual(['4 screen', '2 camera', '3 camera', '4 camera', '5 camera', '6 camera', '1 camera'])
    expect(figuresOf({ ...room('room-screen'), you: 4 }).map(({ key }) => key)).not.toContain('4 screen')
  })
  test.each([
    ['room-7', null, false, null, []], ['room-7', null, true, null, ['2 camera']], ['room-7', null, true, 5, ['5 camera']], ['room-7', null, true, 1, ['2 camera']], ['room-7', '6 camera', false, 5, ['6 camera']],
    ['room-7', 'gone', true, 5, ['5 camera']], ['room-screen', null, false, 5, ['4 screen']], ['room-screen', '1 camera', true, 5, ['1 camera']], ['room-two-screens', null, true, null, ['2 screen', '4 screen']], ['room-alone', null, true, null, []],
  ] as const)('in %s with %s pinned, speaker view %s and %s speaking, large are %j', (state, pinned, view, speaker, keys) => expect(large(state, pinned, view, speaker)).toEqual(keys))
})

describe('routes', () => {
  test.each([
    ['/', { kind: 'start' }], ['/c/Ada', { kind: 'call', name: 'Ada' }], ['/c/Ada%20Lovelace/', { kind: 'call', name: 'Ada Lovelace' }], ['/c/', { kind: 'start' }],
    ['/c/a/b', { kind: 'start' }], ['/c/%E0%A4', { kind: 'start' }], [`/c/${'x'.repeat(64)}`, { kind: 'call', name: 'x'.repeat(64) }], [`/c/${'x'.repeat(65)}`, { kind: 'start' }],
    ['/r/abcd-1', { kind: 'meet', room: 'abcd-1', key: null }], ['/r/a b', { kind: 'start' }], ['/r/%C3%A9', { kind: 'start' }], ['/x/abc', { kind: 'start' }],
  ])('%s', (path, route) => expect(readRoute(path)).toEqual(route))
  test('a link leads back to its name', () => {
    for (const name of ['Ada Lovelace', 'a/b?c#d', 'Zoë', '日本']) expect(readRoute(new URL(callLink('https://x.example', name)).pathname)).toEqual({ kind: 'call', name })
  })
  test.each([
    ['', null], ['#', null], ['#k=', ''], ['#k=q2hX0mV1aYw2m8r4xJo1kA', 'q2hX0mV1aYw2m8r4xJo1kA'], ['#other=1&k=abc', 'abc'], ['#K=abc', null],
  ])('the key in %j is %j', (hash, key) => expect(readRoute('/r/abcd-1', hash)).toEqual({ kind: 'meet', room: 'abcd-1', key }))
  test('a link with a key leads back to both, and a key is 22 characters', () => {
    const key = freshKey(bytes => bytes.fill(255))
    expect(key).toBe('_____________________w')
    const { pathname, hash, search } = new URL(meetLink('https://x.example', 'abcd-1', key))
    expect([readRoute(pathname, hash), search]).toEqual([{ kind: 'meet', room: 'abcd-1', key }, ''])
    expect(pathOf({ kind: 'meet', room: 'abcd-1', key })).toBe(`/r/abcd-1#k=${key}`)
    expect(freshKey()).not.toBe(freshKey())
  })
  test('a fresh room fits the protocol and uses no byte that favours a letter', () => {
    expect(freshRoom()).toMatch(/^[a-hj-km-np-z2-9]{4}(-[a-hj-km-np-z2-9]{4}){2}$/)
    const given = [Uint8Array.from({ length: 16 }, () => 255), Uint8Array.from({ length: 16 }, (_, i) => i)]
    expect(freshRoom(() => given.shift() ?? new Uint8Array(16))).toBe('abcd-efgh-jkmn')
  })
})

describe('links in messages', () => {
  const links = (text: string): string[] => pieces(text).filter(piece => piece.kind === 'link').map(piece => piece.text)
  test.each([
    ['see https://a.example/b?c=d#e.', ['https://a.example/b?c=d#e']], ['(http://a.example)', ['http://a.example']], ['https://a.example/x_(y)', ['https://a.example/x_(y)']],
    ['javascript:alert(1) data:text/html,x', []], ['https://', []], ['a https://b.example and https://c.example!', ['https://b.example', 'https://c.example']], ['www.example.org', []],
    ['https://a.example/\u202Egnp.exe', ['https://a.example/']],
  ])('%s', (text, found) => expect(links(text)).toEqual(found))
  test('nothing is lost', () => {
    for (const text of ['', 'x', 'a https://b.example, c', 'https://a.example', 'https:// https://a.example)']) expect(pieces(text).map(piece => piece.text).join('')).toBe(text)
  })
})

describe('QR codes', () => {
  /** The code as pixels, four to a module, with the quiet zone, as a camera would see it. */
  function read(text: string): string | undefined {
    const rows = qr(text)
    if (!rows) return undefined
    const side = (rows.length + 8) * 4
    const pixels = new Uint8ClampedArray(side * side * 4).fill(255)
    for (let y = 0; y < side; y += 1) for (let x = 0; x < side; x += 1) {
      if (rows[(y >> 2) - 4]?.[(x >> 2) - 4]) pixels.fill(0, (y * side + x) * 4, (y * side + x) * 4 + 3)
    }
    return jsQR(pixels, side, side)?.data
  }
  test.each([1, 14, 15, 26, 27, 42, 43, 62, 63, 84, 85, 106, 107, 122, 123, 152, 153, 180, 181, 213])('%d bytes are read back', length => {
    const text = Array.from({ length }, (_, i) => String.fromCharCode(33 + ((i * 7) % 90))).join('')
    expect(read(text)).toBe(text)
  })
  test('text beyond ASCII is read back', () => expect(read('https://visavis.example/c/Zoë')).toBe('https://visavis.example/c/Zoë'))
  test('214 bytes do not fit', () => expect(qr('x'.repeat(214))).toBeNull())
})

describe('preferences', () => {
  const store = (): Pick<Storage, 'getItem' | 'setItem'> & { text: string | null } => ({ text: null, getItem() { return this.text }, setItem(_, value) { this.text = value } })
  test('are read back as they were written', () => {
    const kept = store()
    writePrefs(kept, { ...defaults, name: 'Ada', recent: ['Bruno'], account: { name: 'Ada' }, corner: 'top-left' })
    expect(readPrefs(kept)).toEqual({ ...defaults, name: 'Ada', recent: ['Bruno'], account: { name: 'Ada' }, corner: 'top-left' })
  })
  test.each(['', '{', 'null', '[]', '"x"', '{"name":3,"recent":"x","sounds":"no","unknown":1}'])('%s is as good as nothing', text => expect(readPrefs({ getItem: () => text })).toEqual(defaults))
  test('a browser that keeps nothing is no error', () => {
    expect(readPrefs(null)).toEqual(defaults)
    expect(() => writePrefs({ setItem: () => { throw new Error('full') } }, defaults)).not.toThrow()
  })
  test('recent names are few, without doubles, newest first', () => {
    expect(withRecent(['a', 'b', 'c', 'd'], 'c')).toEqual(['c', 'a', 'b', 'd'])
    expect(withRecent(['a', 'b', 'c', 'd'], 'e')).toEqual(['e', 'a', 'b', 'c'])
  })
})
