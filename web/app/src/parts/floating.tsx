/** You, small, over the friend's picture: movable by pointer and by keyboard, at rest in a corner. */
import { createSignal, Show, type JSX } from 'solid-js'
import { cornerAfter, cornerTowards, nearestCorner } from '../snap.js'
import { useApp } from '../state/app.js'
import { Avatar, Video } from './basics.jsx'
import { Icon } from './icons.jsx'

interface Drag { readonly x: number, readonly y: number, readonly fromX: number, readonly fromY: number, readonly at: number, readonly speedX: number, readonly speedY: number }

export function FloatingSelf(props: { readonly sharing: boolean }): JSX.Element {
  const app = useApp()
  const [drag, setDrag] = createSignal<Drag | null>(null)
  let tile!: HTMLDivElement
  let moved = false
  const filming = (): boolean => app.model().camera.kind === 'on'
  const silent = (): boolean => { const { microphone } = app.model(); return microphone.kind !== 'on' || microphone.muted }
  const start = (event: PointerEvent & { currentTarget: HTMLElement }): void => {
    if (event.button !== 0) return
    event.currentTarget.setPointerCapture(event.pointerId)
    moved = false
    setDrag({ x: event.clientX, y: event.clientY, fromX: event.clientX, fromY: event.clientY, at: event.timeStamp, speedX: 0, speedY: 0 })
  }
  const move = (event: PointerEvent): void => {
    const old = drag()
    if (!old) return
    const seconds = Math.max(1, event.timeStamp - old.at) / 1000
    moved ||= Math.hypot(event.clientX - old.fromX, event.clientY - old.fromY) > 4
    setDrag({ ...old, x: event.clientX, y: event.clientY, at: event.timeStamp, speedX: (event.clientX - old.x) / seconds, speedY: (event.clientY - old.y) / seconds })
  }
  const end = (): void => {
    const old = drag()
    const area = tile.parentElement?.getBoundingClientRect()
    if (!old || !area) return
    const box = tile.getBoundingClientRect()
    const middle = { x: box.x + box.width / 2 - area.x, y: box.y + box.height / 2 - area.y }
    setDrag(null)
    if (moved) app.setPrefs({ corner: nearestCorner(area, middle, { x: old.speedX, y: old.speedY }) })
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    const corner = cornerTowards(app.corner(), event.key)
    if (!event.key.startsWith('Arrow')) return
    event.preventDefault()
    app.setPrefs({ corner })
  }
  const shift = (): string => { const now = drag(); return now && moved ? `${now.x - now.fromX}px ${now.y - now.fromY}px` : 'none' }
  return (
    <div class="tile" ref={tile} data-corner={app.corner()} classList={{ dragging: drag() !== null }} style={{ translate: shift() }}>
      <Video stream={app.streams().local} label={app.t().you} who="me" mirror class={filming() ? '' : 'dark'} />
      <Show when={!filming()}><Avatar name={app.model().me?.name ?? app.prefs().name} /></Show>
      <Show when={silent()}><span class="tile-badge"><Icon name="micOff" /><span class="sr-only">{app.t().youMuted}</span></span></Show>
      <Show when={props.sharing}><span class="tile-badge second"><Icon name="screen" /></span></Show>
      <button
        type="button" class="tile-handle" aria-label={app.t().moveSelf} title={app.t().moveSelf}
        onPointerDown={start} onPointerMove={move} onPointerUp={end} onPointerCancel={end} onKeyDown={onKeyDown}
        onClick={() => { if (!moved) app.setPrefs({ corner: cornerAfter(app.corner()) }) }}
      />
    </div>
  )
}
