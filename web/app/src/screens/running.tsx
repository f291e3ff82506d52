/** The call itself: the friend large, you small, and what you can do. */
import { createEffect, createMemo, createSignal, on, onCleanup, onMount, Show, type JSX } from 'solid-js'
import { commands } from '../commands.js'
import { clock } from '../format.js'
import { ActionButton, Avatar, CommandButton, Video, Voice } from '../parts/basics.jsx'
import { ChatPanel, FileToast } from '../parts/chat.jsx'
import { DetailsPanel } from '../parts/details.jsx'
import { FloatingSelf } from '../parts/floating.jsx'
import { Icon } from '../parts/icons.jsx'
import { runningCall, useApp, type App } from '../state/app.js'
import { verdict } from '../state/words.js'
import type { RunningCall } from '@visavis/client/model.js'

interface Props { readonly call: RunningCall, readonly friend: FriendElements }

/** The elements that play the friend, and a way to begin if the browser refused the sound. */
export interface FriendElements {
  readonly voice: JSX.Element
  readonly picture: JSX.Element
  readonly blocked: () => (() => void) | null
  readonly unblock: () => void
}

/** Makes them. They are there while it rings already, because a browser takes its time with fresh ones. */
export function createFriend(app: App): FriendElements {
  const [blocked, setBlocked] = createSignal<(() => void) | null>(null)
  const call = (): RunningCall | null => runningCall(app.model())
  const look = (): string => `${seen(call()) ? '' : 'dark'} ${app.prefs().fill ? 'fill' : ''} ${call()?.path === 'reconnecting' ? 'stale' : ''}`
  return {
    voice: <Voice stream={app.streams().remoteVoice} speaker={app.model().devices.speaker} onBlocked={play => setBlocked(() => play)} />,
    picture: <Video stream={app.streams().remote} label={call()?.peer.name ?? ''} class={`friend ${look()}`} />,
    blocked,
    unblock: () => { blocked()?.(); setBlocked(null) },
  }
}

function seen(call: RunningCall | null): boolean {
  return call !== null && call.remote.camera && call.path !== 'connecting'
}

/** The friend's voice, and the picture or what stands for it. */
function Friend(props: Props): JSX.Element {
  const app = useApp()
  const screen = (): boolean => props.call.remote.screen && app.streams().remoteScreen !== null
  return (
    <>
      <Show when={screen()}>
        <Video stream={app.streams().remoteScreen} label={app.t().remoteScreen(props.call.peer.name)} class="their-screen" />
      </Show>
      <div class="friend-frame" classList={{ inset: screen() }}>
        {props.friend.voice}
        {props.friend.picture}
        <Show when={!seen(props.call)}>
          <div class="no-picture">
            <div class="halo" classList={{ pulsing: props.call.path === 'connecting' }}><Avatar name={props.call.peer.name} size="large" /></div>
            <p>{props.call.path === 'connecting' ? props.call.peer.name : app.t().remoteCameraOff(props.call.peer.name)}</p>
          </div>
        </Show>
      </div>
      <Show when={props.friend.blocked()}>
        <div class="notice center">
          <p>{app.t().soundBlocked}</p>
          <ActionButton icon="speaker" label={app.t().soundOn} class="button primary" onClick={() => props.friend.unblock()} />
        </div>
      </Show>
    </>
  )
}

/** Lasting remarks about the call, one under the other at the top. */
function Remarks(props: { readonly call: RunningCall }): JSX.Element {
  const app = useApp()
  return (
    <div class="remarks">
      <Show when={props.call.path === 'reconnecting'}><p class="notice"><span class="spinner" />{app.t().reconnectingText}</p></Show>
      <Show when={!props.call.peerPresent && props.call.path === 'connected'}><p class="notice">{app.t().peerAway(props.call.peer.name)}</p></Show>
      <Show when={!props.call.remote.microphone && props.call.path === 'connected'}>
        <p class="notice"><Icon name="micOff" />{app.t().remoteMuted(props.call.peer.name)}</p>
      </Show>
      <Show when={props.call.sharingScreen}>
        <p class="notice bright"><Icon name="screen" />{app.t().yourScreen}
          <button type="button" class="link-button" onClick={() => app.commands.stopScreen()}>{app.t().stopSharing}</button>
        </p>
      </Show>
    </div>
  )
}

/** How long it has lasted, and how good it is, in a word. */
function Facts(props: { readonly call: RunningCall }): JSX.Element {
  const app = useApp()
  return (
    <div class="facts">
      <span class="timer" role="timer">{clock((app.now() - props.call.since) / 1000)}</span>
      <button
        type="button" class="quality" data-verdict={props.call.quality.verdict} aria-expanded={app.ui().panel === 'details'}
        title={app.t().details} onClick={() => commands.details.run(app)}
      >
        <i aria-hidden="true" /><span>{verdict(app.t(), props.call.quality.verdict)[0]}</span>
      </button>
    </div>
  )
}

/** What does not fit into the bar. */
function MoreMenu(): JSX.Element {
  const app = useApp()
  let menu!: HTMLDivElement
  const outside = (event: PointerEvent): void => { if (!menu.contains(event.target as Node)) app.setUi({ more: false }) }
  onMount(() => {
    document.addEventListener('pointerdown', outside)
    menu.querySelector('button')?.focus({ preventScroll: true })
  })
  onCleanup(() => document.removeEventListener('pointerdown', outside))
  return (
    <div class="more-menu" ref={menu} id="more-menu">
      <CommandButton command={commands.details} class="row" />
      <CommandButton command={commands.fill} class="row" />
      <CommandButton command={commands.fullScreen} class="row" />
      <CommandButton command={commands.picture} class="row" />
      <ActionButton icon="camera" label={app.t().devices} class="command row" onClick={() => commands.settings.run(app)} />
      <CommandButton command={commands.help} class="row" />
    </div>
  )
}

function Controls(): JSX.Element {
  const app = useApp()
  return (
    <div class="controls" role="toolbar" aria-label={app.t().call}>
      <CommandButton command={commands.mute} class="round" />
      <CommandButton command={commands.camera} class="round" />
      <CommandButton command={commands.screen} class="round" />
      <CommandButton command={commands.chat} class="round" badge={app.ui().unread} described="unread" />
      <CommandButton command={commands.file} class="round" />
      <div class="more">
        <button
          type="button" class="command round" aria-label={app.t().more} title={app.t().more} aria-expanded={app.ui().more} aria-controls="more-menu"
          onPointerDown={event => event.stopPropagation()} onClick={() => app.setUi({ more: !app.ui().more })}
        >
          <Icon name="more" /><span class="command-name" aria-hidden="true">{app.t().more}</span>
        </button>
        <Show when={app.ui().more}><MoreMenu /></Show>
      </div>
      <CommandButton command={commands.hangUp} class="round stop" />
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
function createQuiet(app: App, call: () => RunningCall, stage: () => HTMLElement): () => boolean {
  const [quiet, setQuiet] = createSignal(false)
  let timer: ReturnType<typeof setTimeout> | undefined
  const safe = (): boolean =>
    call().path === 'connected' && app.ui().panel === null && !app.ui().more && app.ui().dialog === null
    && stage().querySelector(':focus-visible:not(h1), .controls:hover, .facts:hover') === null
  const wake = (): void => {
    setQuiet(false)
    clearTimeout(timer)
    timer = setTimeout(() => { if (safe()) setQuiet(true) }, rest)
  }
  const events = ['pointermove', 'pointerdown', 'keydown', 'focusin'] as const
  onMount(() => { for (const event of events) document.addEventListener(event, wake); wake() })
  onCleanup(() => { clearTimeout(timer); for (const event of events) document.removeEventListener(event, wake) })
  createEffect(on(createMemo(() => [call().path, app.ui().panel, app.ui().more, app.ui().dialog].join()), wake))
  return quiet
}

/** Files dropped anywhere on the call are sent. */
function createDrop(app: App): { over: () => boolean, handlers: { onDragEnter: (e: DragEvent) => void, onDragOver: (e: DragEvent) => void, onDragLeave: () => void, onDrop: (e: DragEvent) => void } } {
  const [depth, setDepth] = createSignal(0)
  const files = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false
  return {
    over: () => depth() > 0,
    handlers: {
      onDragEnter: event => { if (files(event)) { event.preventDefault(); setDepth(depth() + 1) } },
      onDragOver: event => { if (files(event)) event.preventDefault() },
      onDragLeave: () => setDepth(Math.max(0, depth() - 1)),
      onDrop: event => {
        setDepth(0)
        if (!event.dataTransfer?.files.length) return
        event.preventDefault()
        app.commands.sendFiles([...event.dataTransfer.files])
        app.setUi({ panel: 'chat' })
      },
    },
  }
}

export function RunningScreen(props: Props): JSX.Element {
  const app = useApp()
  let stage!: HTMLElement
  const quiet = createQuiet(app, () => props.call, () => stage)
  const drop = createDrop(app)
  const panel = (): string | null => app.ui().panel
  return (
    <>
      <section class="stage" ref={stage} aria-label={app.t().stInCall(props.call.peer.name)} classList={{ quiet: quiet() }} {...drop.handlers}>
        <h1 class="sr-only" tabindex="-1">{props.call.peer.name}</h1>
        <Friend call={props.call} friend={props.friend} />
        <div class="shade" aria-hidden="true" />
        <Facts call={props.call} />
        <Remarks call={props.call} />
        <FloatingSelf sharing={props.call.sharingScreen} />
        <Show when={panel() !== 'chat'}><FileToast call={props.call} /></Show>
        <Controls />
        <Show when={drop.over()}><div class="drop"><Icon name="file" /><p>{app.t().dropHere(props.call.peer.name)}</p></div></Show>
      </section>
      <Show when={panel() === 'chat'}><ChatPanel call={props.call} /></Show>
      <Show when={panel() === 'details'}><DetailsPanel call={props.call} /></Show>
    </>
  )
}
