/** Small parts that many screens use. They get plain data. */
import { createEffect, createRenderEffect, createMemo, createSignal, onCleanup, onMount, Show, type JSX } from 'solid-js'
import type { Command } from '../commands.js'
import { situation } from '../commands.js'
import { hue, initials } from '../format.js'
import { useApp } from '../state/app.js'
import { Icon, type IconName } from './icons.jsx'

/** A person where there is no picture: letters on a colour that stays theirs. */
export function Avatar(props: { readonly name: string, readonly size?: 'small' | 'large' }): JSX.Element {
  return (
    <span class="avatar" classList={{ large: props.size === 'large' }} style={{ '--hue': String(hue(props.name)) }} aria-hidden="true">
      {initials(props.name)}
    </span>
  )
}

/** Plays what the stream carries now in the element. */
function playing(element: () => HTMLMediaElement, stream: () => MediaStream | null, onBlocked?: (play: () => void) => void): void {
  const play = (): void => {
    element().play().catch((error: unknown) => {
      if (error instanceof DOMException && error.name === 'NotAllowedError') onBlocked?.(play)
    })
  }
  const source = createMemo(stream)
  createEffect(() => {
    const now = source()
    if (element().srcObject !== now) element().srcObject = now
    if (!now) return
    play()
    now.addEventListener('filled', play)
    onCleanup(() => now.removeEventListener('filled', play))
  })
}

/**
 * Pictures that are leaving the screen at this moment, by who is on them. When a call becomes a room or a room a call,
 * the same person is shown elsewhere, by another element that has no frame yet: until it has, the old one goes on under it.
 */
const leaving = new Map<string, HTMLVideoElement>()
/** How long an old picture is kept at most, in milliseconds. */
const keptFor = 3000

function release(element: HTMLVideoElement | undefined): void {
  element?.remove()
  if (element) element.srcObject = null
}

/** Offers a picture that leaves to whoever shows the same person in this very moment. */
function handOn(who: string, element: HTMLVideoElement): void {
  const seen = who !== '' && element.srcObject !== null && !element.classList.contains('dark')
  if (!seen) { release(element); return }
  leaving.set(who, element)
  queueMicrotask(() => {
    if (leaving.get(who) !== element) return
    leaving.delete(who)
    release(element)
  })
}

/** Keeps an old picture under a new one until that has its first frame. */
function keepUnder(element: HTMLVideoElement, old: HTMLVideoElement): void {
  old.className = element.className
  old.removeAttribute('aria-label')
  old.ariaHidden = 'true'
  element.before(old)
  const gone = (): void => { clearTimeout(timer); release(old) }
  const timer = setTimeout(gone, keptFor)
  if ('requestVideoFrameCallback' in element) element.requestVideoFrameCallback(gone)
  else (element as HTMLVideoElement).addEventListener('playing', gone, { once: true })
  onCleanup(gone)
}

/** A live picture, without its sound. */
export function Video(props: {
  readonly stream: MediaStream | null
  readonly label: string
  /** Who is on it, the same on every screen. */
  readonly who?: string
  readonly mirror?: boolean
  readonly class?: string
  readonly ref?: (element: HTMLVideoElement) => void
}): JSX.Element {
  let element!: HTMLVideoElement
  let who = ''
  // Who it will be may not be known yet while it rings.
  createRenderEffect(() => { who = props.who || who })
  playing(() => element, () => props.stream)
  // Only now has everything left that leaves.
  onMount(() => {
    const old = leaving.get(who)
    leaving.delete(who)
    if (old && props.stream) keepUnder(element, old)
    else release(old)
  })
  onCleanup(() => handOn(who, element))
  return (
    <video
      ref={node => { element = node; props.ref?.(node) }}
      class={`${props.class ?? ''} ${props.mirror ? 'mirror' : ''}`} aria-label={props.label}
      autoplay muted playsinline
    />
  )
}

/** A voice. It has an element of its own: one that also waits for a picture would be silent while there is none. */
export function Voice(props: {
  readonly stream: MediaStream | null
  readonly speaker: string
  /** Told when the browser refuses to play sound before a gesture. */
  readonly onBlocked: (play: () => void) => void
}): JSX.Element {
  let element!: HTMLAudioElement
  playing(() => element, () => props.stream, play => props.onBlocked(play))
  onCleanup(() => { element.srcObject = null })
  const speaker = createMemo(() => props.speaker)
  createEffect(() => {
    const id = speaker()
    if ('setSinkId' in element) element.setSinkId(id).catch(() => undefined)
  })
  return <audio ref={node => { element = node }} autoplay />
}

/** The button of a command: icon, name, state. */
export function CommandButton(props: { readonly command: Command, readonly class?: string, readonly badge?: number, readonly described?: string }): JSX.Element {
  const app = useApp()
  const now = (): ReturnType<typeof situation> => situation(app)
  const hint = (): string => {
    const name = props.command.name(app.t())
    return props.command.key && app.prefs().singleKeys ? `${name} (${props.command.key})` : name
  }
  return (
    <Show when={props.command.available(now())}>
      <button
        type="button" class={`command ${props.class ?? ''}`} data-command={props.command.id} title={hint()}
        aria-label={props.command.name(app.t())} aria-pressed={props.command.pressed?.(now())} aria-describedby={props.described}
        classList={{ alert: props.command.alert?.(now()) ?? false }} data-badge={props.badge || undefined}
        onClick={() => props.command.run(app)}
      >
        <Icon name={props.command.icon(now())} />
        <span class="command-name" aria-hidden="true">{props.command.name(app.t())}</span>
      </button>
    </Show>
  )
}

/** A plain button with an icon. */
export function ActionButton(props: {
  readonly icon: IconName, readonly label: string, readonly class?: string, readonly iconOnly?: boolean
  readonly pressed?: boolean, readonly expanded?: boolean, readonly onClick: () => void
}): JSX.Element {
  return (
    <button
      type="button" class={props.class ?? 'button'} aria-label={props.iconOnly ? props.label : undefined} title={props.iconOnly ? props.label : undefined}
      aria-pressed={props.pressed} aria-expanded={props.expanded} onClick={() => props.onClick()}
    >
      <Icon name={props.icon} />
      <Show when={!props.iconOnly}><span class={props.class?.includes('command') ? 'command-name' : undefined}>{props.label}</span></Show>
    </button>
  )
}

/** Copies a text and says so for a moment. The name of the button stays. */
export function CopyButton(props: { readonly label: string, readonly text: () => string, readonly class?: string }): JSX.Element {
  const app = useApp()
  const [copied, setCopied] = createSignal(false)
  let timer: ReturnType<typeof setTimeout> | undefined
  onCleanup(() => clearTimeout(timer))
  const copy = async (): Promise<void> => {
    if (!(await app.actions.copy(props.text()))) return
    setCopied(true)
    clearTimeout(timer)
    timer = setTimeout(() => setCopied(false), 2000)
  }
  return (
    <button type="button" class={props.class ?? 'button'} aria-label={props.label} classList={{ done: copied() }} onClick={() => void copy()}>
      <Icon name={copied() ? 'check' : 'link'} />
      <span aria-live="polite">{copied() ? app.t().copied : props.label}</span>
    </button>
  )
}

/** How often the level is looked at, in milliseconds: often enough for an eye, seldom enough for a battery. */
const levelEvery = 60

/** How loud our microphone is: a row of bars that follows the sound. */
export function LevelMeter(): JSX.Element {
  const app = useApp()
  const bars = 12
  let row!: HTMLDivElement
  let shown = 0
  let lit = 0
  const draw = (): void => {
    const level = Math.min(1, app.commands.level() * 1.6)
    // It jumps up and sinks slowly, as a needle does.
    shown = Math.max(level, shown - 0.1)
    const now = Math.round(Math.sqrt(shown) * bars)
    for (let i = Math.min(lit, now); i < Math.max(lit, now); i += 1) row.children[i]?.classList.toggle('lit', i < now)
    lit = now
  }
  onMount(() => {
    const timer = setInterval(draw, levelEvery)
    onCleanup(() => clearInterval(timer))
  })
  return (
    <div class="level" role="img" aria-label={app.t().level} ref={row}>
      {Array.from({ length: bars }, () => <i />)}
    </div>
  )
}
