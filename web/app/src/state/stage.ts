/** What is on the stage of a room, and where: who is large, who is small, whose pictures are wanted. */
import { tileKey, type Member, type Picture, type RoomCall, type Tile } from '@visavis/client'
import { createEffect, createMemo, createSignal, onCleanup, onMount, untrack, type Accessor } from 'solid-js'
import { featured, grid, inView, seen, type Box, type Size } from '../tiles.js'
import type { App } from './app.js'

/** One picture, or who stands for it. */
export interface Figure {
  readonly key: string
  readonly member: Member
  readonly source: Picture
  readonly mine: boolean
}

export interface Place extends Box { readonly large: boolean }

export interface Stage {
  readonly figures: Accessor<ReadonlyMap<string, Figure>>
  /** Those that have a place, in an order that does not change with it. */
  readonly keys: Accessor<readonly string[]>
  readonly places: Accessor<ReadonlyMap<string, Place>>
  /** The height of everything, in pixels: more than the stage's where one scrolls. */
  readonly height: Accessor<number>
  /** How many have no place, and where to say so. */
  readonly hidden: Accessor<number>
  readonly rest: Accessor<Box | null>
}

/** How long somebody stays large at least, in milliseconds, so that a cough does not change the picture. */
const holdSpeaker = 1500
/** How many of those who spoke lately are remembered. */
const remembered = 12

/** Everybody's pictures: screens first, then cameras, our own last. */
export function figuresOf(room: RoomCall): readonly Figure[] {
  const figure = (member: Member, source: Picture): Figure => ({ key: tileKey({ member: member.number, source }), member, source, mine: member.number === room.you })
  const others = room.members.filter(member => member.number !== room.you)
  const me = room.members.filter(member => member.number === room.you)
  return [
    // Our own screen would show itself in itself.
    ...others.filter(member => member.sending.screen).map(member => figure(member, 'screen')),
    ...[...others, ...me].map(member => figure(member, 'camera')),
  ]
}

/** Who is large: what was pinned, else the screens, else in speaker view who speaks. */
export function largeOf(figures: readonly Figure[], pinned: string | null, speakerView: boolean, speaker: number | null): readonly string[] {
  if (pinned !== null && figures.some(({ key }) => key === pinned)) return [pinned]
  const screens = figures.filter(({ source }) => source === 'screen').slice(0, 2)
  if (screens.length > 0) return screens.map(({ key }) => key)
  if (!speakerView || figures.length < 2) return []
  const cameras = figures.filter(({ mine }) => !mine)
  const large = cameras.find(({ member }) => member.number === speaker) ?? cameras[0]
  return large ? [large.key] : []
}

/** The one who is large in speaker view, and those who spoke lately, the latest first. */
function follow(room: Accessor<RoomCall>): { speaker: Accessor<number | null>, lately: Accessor<readonly number[]> } {
  const [speaker, setSpeaker] = createSignal<number | null>(null)
  const [lately, setLately] = createSignal<readonly number[]>([])
  let since = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  const loudest = createMemo(() => room().speaking.find(number => number !== room().you) ?? null)
  createEffect(() => {
    const now = loudest()
    clearTimeout(timer)
    if (now === null || now === untrack(speaker)) return
    const turn = (): void => { since = performance.now(); setSpeaker(now) }
    timer = setTimeout(turn, Math.max(0, untrack(speaker) === null ? 0 : holdSpeaker - (performance.now() - since)))
  })
  createEffect(() => {
    const now = room().speaking.filter(number => number !== room().you)
    if (now.length > 0) setLately(old => [...now, ...old.filter(number => !now.includes(number))].slice(0, remembered))
  })
  onCleanup(() => clearTimeout(timer))
  return { speaker, lately }
}

export function createStage(app: App, room: Accessor<RoomCall>, area: Accessor<Size>): Stage {
  const { speaker, lately } = follow(room)
  const list = createMemo(() => figuresOf(room()))
  const figures = createMemo(() => new Map(list().map(figure => [figure.key, figure] as const)))
  const large = createMemo(() => largeOf(list(), app.ui().pinned, app.prefs().speakerView, speaker()))
  const placed = createMemo(() => {
    const all = list().map(({ key }) => key)
    const first = large()
    if (first.length === 0) {
      const { boxes, height } = grid(all.length, area())
      return { keys: all, boxes, height, hidden: 0, rest: null }
    }
    const small = all.filter(key => !first.includes(key))
    const { boxes, height, hidden, rest } = featured(first.length, small.length, area())
    const spoke = lately().map(number => tileKey({ member: number, source: 'camera' }))
    return { keys: [...first, ...seen(small, boxes.length - first.length, spoke)], boxes, height, hidden, rest }
  })
  const places = createMemo<ReadonlyMap<string, Place>>(() => new Map(placed().keys.map((key, index): [string, Place] => {
    const box = placed().boxes[index] ?? { x: 0, y: 0, width: 0, height: 0 }
    return [key, { ...box, large: large().includes(key) }]
  })))
  return {
    figures, places,
    keys: createMemo(() => list().map(({ key }) => key).filter(key => places().has(key)), [], { equals: (a, b) => a.length === b.length && a.every((key, index) => key === b[index]) }),
    height: () => placed().height,
    hidden: () => placed().hidden,
    rest: () => placed().rest,
  }
}

/** Tells the client which pictures are on the screen: none while nobody looks at the page. */
export function subscribe(app: App, stage: Stage, scrolled: Accessor<number>, area: Accessor<Size>): void {
  const [visible, setVisible] = createSignal(!document.hidden)
  const look = (): void => { setVisible(!document.hidden || document.pictureInPictureElement !== null) }
  onMount(() => document.addEventListener('visibilitychange', look))
  onCleanup(() => document.removeEventListener('visibilitychange', look))
  const wanted = createMemo<readonly Tile[]>(() => {
    if (!visible()) return []
    const tiles: Tile[] = []
    for (const [key, box] of stage.places()) {
      const figure = stage.figures().get(key)
      if (!figure || figure.mine || !figure.member.sending[figure.source] || !inView(box, scrolled(), area().height)) continue
      tiles.push({ member: figure.member.number, source: figure.source, height: Math.round(box.height * devicePixelRatio) })
    }
    return tiles.sort((a, b) => Number(b.source === 'screen') - Number(a.source === 'screen') || b.height - a.height)
  })
  // Before the stage is measured nothing is known of what is on it; to say `nothing` would stop what already comes.
  const measured = createMemo(() => area().height > 0)
  createEffect(() => { if (measured()) app.commands.arrange(wanted()) })
}
