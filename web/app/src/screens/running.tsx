/** The call itself: the friend large, you small, and what you can do. */
import { createSignal, onCleanup, onMount, Show, type JSX } from 'solid-js'
import { commands } from '../commands.js'
import { Avatar, CommandButton, Video, Voice } from '../parts/basics.jsx'
import { ChatPanel, FileToast } from '../parts/chat.jsx'
import { Controls, createQuiet, Facts, More, SoundBlocked } from '../parts/controls.jsx'
import { DetailsPanel } from '../parts/details.jsx'
import { FloatingSelf } from '../parts/floating.jsx'
import { Icon } from '../parts/icons.jsx'
import { PeoplePanel } from '../parts/people.jsx'
import { useApp, type App } from '../state/app.js'
import type { RunningCall } from '@visavis/client/model.js'

interface Props { readonly call: RunningCall, readonly friend: FriendElements }

/** The elements that play the friend, and a way to begin if the browser refused the sound. */
export interface FriendElements {
  readonly elements: readonly HTMLElement[]
  readonly blocked: () => (() => void) | null
  readonly done: () => void
}

/** An element can be moved without a break in what it plays (Chromium 133, Firefox 144), not yet known to the DOM types. */
interface Movable { moveBefore?(node: Node, child: Node | null): void }

/** Makes them. They play while it rings already, because a browser takes its time with fresh ones. */
export function createFriend(app: App): FriendElements {
  const [blocked, setBlocked] = createSignal<(() => void) | null>(null)
  const call = (): RunningCall | null => { const now = app.model().call; return now.kind === 'running' ? now : null }
  const look = (): string => `${seen(call()) ? '' : 'dark'} ${app.prefs().fill ? 'fill' : ''} ${call()?.path === 'reconnecting' ? 'stale' : ''}`
  const elements = [
    <Voice stream={app.streams().remoteVoice} speaker={app.model().devices.speaker} onBlocked={play => setBlocked(() => play)} />,
    <Video stream={app.streams().remote} label={call()?.peer.name ?? ''} who={call()?.peer.id ?? ''} class={`friend ${look()}`} />,
  ] as HTMLElement[]
  onCleanup(() => elements[0]?.remove())
  return {
    elements,
    blocked,
    done: () => setBlocked(null),
  }
}

function seen(call: RunningCall | null): boolean {
  return call !== null && call.remote.camera && call.path !== 'connecting'
}

/** Puts an element first in another place, and lets it play on where the browser can. */
function move(element: HTMLElement, to: HTMLElement & Movable): void {
  if (to.moveBefore) to.moveBefore(element, to.firstChild)
  else to.prepend(element)
}

/** The friend's voice, and the picture or what stands for it. */
function Friend(props: Props): JSX.Element {
  const app = useApp()
  const screen = (): boolean => props.call.remote.screen && app.streams().remoteScreen !== null
  let frame!: HTMLDivElement
  // What plays elsewhere on the page is moved here once this is on it: to be taken out in between would stop it.
  const { elements } = props.friend
  const plays = elements.every(({ isConnected }) => isConnected)
  onMount(() => { if (plays) for (const element of elements.toReversed()) move(element, frame) })
  return (
    <>
      <Show when={screen()}>
        <Video stream={app.streams().remoteScreen} label={app.t().remoteScreen(props.call.peer.name)} class="their-screen" />
      </Show>
      <div class="friend-frame" ref={frame} classList={{ inset: screen() }}>
        {plays ? null : [...elements]}
        <Show when={!seen(props.call)}>
          <div class="no-picture">
            <div class="halo" classList={{ pulsing: props.call.path === 'connecting' }}><Avatar name={props.call.peer.name} size="large" /></div>
            <p>{props.call.path === 'connecting' ? props.call.peer.name : app.t().remoteCameraOff(props.call.peer.name)}</p>
          </div>
        </Show>
      </div>
      <SoundBlocked play={props.friend.blocked()} onDone={props.friend.done} />
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
      <Show when={app.ui().flash}>{text => <p class="notice bright"><Icon name="check" />{text()}</p>}</Show>
    </div>
  )
}

function CallControls(): JSX.Element {
  const app = useApp()
  return (
    <Controls>
      <CommandButton command={commands.mute} class="round" />
      <CommandButton command={commands.camera} class="round" />
      <CommandButton command={commands.screen} class="round" />
      <CommandButton command={commands.chat} class="round" badge={app.ui().unread} described="unread" />
      <CommandButton command={commands.file} class="round" />
      <More narrow={[]} rows={[commands.link, commands.people, commands.details, commands.fill, commands.fullScreen, commands.picture]} />
      <CommandButton command={commands.hangUp} class="round stop" />
    </Controls>
  )
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
        <Facts call={props.call} people={2} />
        <Remarks call={props.call} />
        <FloatingSelf sharing={props.call.sharingScreen} />
        <Show when={panel() !== 'chat'}><FileToast call={props.call} /></Show>
        <CallControls />
        <Show when={drop.over()}><div class="drop"><Icon name="file" /><p>{app.t().dropHere(props.call.peer.name)}</p></div></Show>
      </section>
      <Show when={panel() === 'chat'}><ChatPanel call={props.call} /></Show>
      <Show when={panel() === 'details'}><DetailsPanel call={props.call} /></Show>
      <Show when={panel() === 'people'}><PeoplePanel call={props.call} /></Show>
    </>
  )
}
