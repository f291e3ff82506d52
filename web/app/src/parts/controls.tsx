/** The bar of a call, what does not fit into it, and when both are out of sight. */
import { createEffect, createMemo, createSignal, For, on, onCleanup, onMount, Show, type JSX } from 'solid-js'
import { commands, type Command } from '../commands.js'
import { clock } from '../format.js'
import { useApp, type App, type Talk } from '../state/app.js'
import { verdict } from '../state/words.js'
import { ActionButton, CommandButton } from './basics.jsx'
import { EncryptedBadge } from './encryption.jsx'
import { Icon, type IconName } from './icons.jsx'

/** How long it has lasted, how good it is in a word, and how many are there. */
export function Facts(props: { readonly call: Talk, readonly people: number }): JSX.Element {
  const app = useApp()
  return (
    <div class="facts">
      <Show when={props.call.kind === 'room' ? props.call.encryption : null}>{encryption => <EncryptedBadge encryption={encryption()} />}</Show>
      <span class="timer" role="timer">{clock((app.now() - props.call.since) / 1000)}</span>
      <button
        type="button" class="quality" data-verdict={props.call.quality.verdict} aria-expanded={app.ui().panel === 'details'}
        title={app.t().details} onClick={() => commands.details.run(app)}
      >
        <i aria-hidden="true" /><span>{verdict(app.t(), props.call.quality.verdict)[0]}</span>
      </button>
      <Show when={props.people > 2}>
        <button type="button" class="quality" aria-expanded={app.ui().panel === 'people'} aria-label={app.t().peopleHere(props.people)} title={app.t().peoplePanel} onClick={() => commands.people.run(app)}>
          <Icon name="people" /><span class="always">{props.people}</span>
        </button>
      </Show>
    </div>
  )
}

/** Something that opens over the bar and closes with a click elsewhere. */
function Popover(props: { readonly class: string, readonly id: string, readonly onClose: () => void, readonly children: JSX.Element }): JSX.Element {
  let menu!: HTMLDivElement
  const outside = (event: PointerEvent): void => { if (!menu.contains(event.target as Node)) props.onClose() }
  onMount(() => {
    document.addEventListener('pointerdown', outside)
    menu.querySelector('button')?.focus({ preventScroll: true })
  })
  onCleanup(() => document.removeEventListener('pointerdown', outside))
  return <div class={props.class} ref={menu} id={props.id}>{props.children}</div>
}

/** A button of the bar that opens something over it. */
function Opener(props: {
  readonly icon: IconName, readonly label: string, readonly id: string, readonly open: boolean, readonly class?: string
  readonly onToggle: (open: boolean) => void, readonly children: JSX.Element
}): JSX.Element {
  return (
    <div class={`more ${props.class ?? ''}`}>
      <button
        type="button" class="command round" aria-label={props.label} title={props.label} aria-expanded={props.open} aria-controls={props.id}
        onPointerDown={event => event.stopPropagation()} onClick={() => props.onToggle(!props.open)}
      >
        <Icon name={props.icon} /><span class="command-name" aria-hidden="true">{props.label}</span>
      </button>
      <Show when={props.open}>{props.children}</Show>
    </div>
  )
}

/** Feelings that can be shown. */
const reactions = ['👍', '❤️', '😂', '😮', '👏', '🎉'] as const

export function Reactions(): JSX.Element {
  const app = useApp()
  const close = (): void => app.setUi({ reacting: false })
  return (
    <Opener icon="smile" label={app.t().react} id="reactions" open={app.ui().reacting} class="wide-only" onToggle={open => app.setUi({ reacting: open, more: false })}>
      <Popover class="reaction-menu" id="reactions" onClose={close}><ReactionButtons /></Popover>
    </Opener>
  )
}

function ReactionButtons(): JSX.Element {
  const app = useApp()
  const choose = (reaction: string): void => { app.commands.react(reaction); app.setUi({ reacting: false, more: false }) }
  return (
    <div class="reaction-row" role="group" aria-label={app.t().react}>
      <For each={reactions}>{one => <button type="button" class="reaction" onClick={() => choose(one)}>{one}</button>}</For>
    </div>
  )
}

export function More(props: { readonly rows: readonly Command[], readonly narrow: readonly Command[], readonly reactions?: boolean }): JSX.Element {
  const app = useApp()
  return (
    <Opener icon="more" label={app.t().more} id="more-menu" open={app.ui().more} onToggle={open => app.setUi({ more: open, reacting: false })}>
      <Popover class="more-menu" id="more-menu" onClose={() => app.setUi({ more: false })}>
        <Show when={props.reactions}><div class="narrow-only"><ReactionButtons /></div></Show>
        <For each={props.narrow}>{command => <CommandButton command={command} class="row narrow-only" />}</For>
        <For each={props.rows}>{command => <CommandButton command={command} class="row" />}</For>
        <ActionButton icon="camera" label={app.t().devices} class="command row" onClick={() => commands.settings.run(app)} />
        <CommandButton command={commands.help} class="row" />
      </Popover>
    </Opener>
  )
}

export function Controls(props: { readonly children: JSX.Element }): JSX.Element {
  const app = useApp()
  return (
    <div class="controls" role="toolbar" aria-label={app.t().call}>
      {props.children}
      <span class="sr-only" id="unread">{app.ui().unread > 0 ? app.t().unread(app.ui().unread) : ''}</span>
    </div>
  )
}

/** How long the pointer rests before the controls withdraw, in milliseconds. */
const rest = 3500

/**
 * Whether the controls may be out of sight: nothing has moved for a while, the call is well, nothing is open, and the
 * keyboard is not in use.
 */
export function createQuiet(app: App, call: () => Talk, stage: () => HTMLElement): () => boolean {
  const [quiet, setQuiet] = createSignal(false)
  let timer: ReturnType<typeof setTimeout> | undefined
  const safe = (): boolean =>
    call().path === 'connected' && app.ui().panel === null && !app.ui().more && !app.ui().reacting && app.ui().dialog === null
    && stage().querySelector(':focus-visible:not(h1), .controls:hover, .facts:hover') === null
  const wake = (): void => {
    setQuiet(false)
    clearTimeout(timer)
    timer = setTimeout(() => { if (safe()) setQuiet(true) }, rest)
  }
  const events = ['pointermove', 'pointerdown', 'keydown', 'focusin'] as const
  onMount(() => { for (const event of events) document.addEventListener(event, wake); wake() })
  onCleanup(() => { clearTimeout(timer); for (const event of events) document.removeEventListener(event, wake) })
  createEffect(on(createMemo(() => [call().path, app.ui().panel, app.ui().more, app.ui().reacting, app.ui().dialog].join()), wake))
  return quiet
}

/** Says that the browser holds the sound back, and lets it go. */
export function SoundBlocked(props: { readonly play: (() => void) | null, readonly onDone: () => void }): JSX.Element {
  const app = useApp()
  return (
    <Show when={props.play}>
      {play => (
        <div class="notice center">
          <p>{app.t().soundBlocked}</p>
          <ActionButton icon="speaker" label={app.t().soundOn} class="button primary" onClick={() => { play()(); props.onDone() }} />
        </div>
      )}
    </Show>
  )
}
