/** A room: everybody who is there, as large as the window allows. */
import type { RoomCall } from '@visavis/client/model.js'
import { createSignal, For, onCleanup, onMount, Show, type JSX } from 'solid-js'
import { commands } from '../commands.js'
import { CommandButton, Voice } from '../parts/basics.jsx'
import { ChatPanel, FileToast } from '../parts/chat.jsx'
import { Controls, createQuiet, Facts, More, Reactions, SoundBlocked } from '../parts/controls.jsx'
import { DetailsPanel } from '../parts/details.jsx'
import { createDrop } from '../parts/drop.js'
import { GroupNotice } from '../parts/groups.jsx'
import { Icon } from '../parts/icons.jsx'
import { Knocking, PeoplePanel } from '../parts/people.jsx'
import { Seat } from '../parts/tile.jsx'
import { selfOf, useApp } from '../state/app.js'
import { createStage, subscribe } from '../state/stage.js'
import { roomLine } from '../state/words.js'
import type { Size } from '../tiles.js'

interface Props { readonly room: RoomCall }

/** Everybody's voices. They play whether their pictures are on the screen or not. */
function Voices(): JSX.Element {
  const app = useApp()
  const [blocked, setBlocked] = createSignal<(() => void) | null>(null)
  const held: (() => void)[] = []
  const hold = (play: () => void): void => {
    held.push(play)
    setBlocked(() => () => { for (const one of held.splice(0)) one() })
  }
  return (
    <>
      <For each={app.streams().voices}>{stream => <Voice stream={stream} speaker={app.model().devices.speaker} onBlocked={hold} />}</For>
      <SoundBlocked play={blocked()} onDone={() => setBlocked(null)} />
    </>
  )
}

/** Lasting remarks about the room, one under the other at the top. */
function Remarks(props: Props): JSX.Element {
  const app = useApp()
  const listens = (): boolean => selfOf(props.room)?.role === 'attendee'
  const hand = (): boolean => selfOf(props.room)?.hand ?? false
  return (
    <div class="remarks">
      <Show when={props.room.path === 'reconnecting'}><p class="notice"><span class="spinner" />{app.t().reconnectingText}</p></Show>
      <GroupNotice room={props.room} />
      <Show when={props.room.recording}>{it => <p class="notice recording" role="status"><i aria-hidden="true" />{app.t().recordedBy(it().by.name || app.t().aModerator)}</p>}</Show>
      <Show when={props.room.recordingProblem}>{text => <p class="notice" role="alert"><Icon name="record" />{app.t().recordingEnded(text())}</p>}</Show>
      <Show when={props.room.mutedBy !== null && !listens()}><p class="notice"><Icon name="micOff" />{app.t().mutedBy(props.room.mutedBy || app.t().aModerator)}</p></Show>
      <Show when={listens()}>
        <p class="notice listening"><Icon name="speaker" />{hand() ? app.t().listeningHand : app.t().listening}
          <Show when={!hand()}><button type="button" class="link-button" onClick={() => commands.hand.run(app)}>{app.t().raiseHand}</button></Show>
        </p>
      </Show>
      <Show when={props.room.knocking.length > 0 && app.ui().panel !== 'people'}>
        <div class="notice knock-notice"><Knocking people={props.room.knocking.slice(0, 3)} /></div>
      </Show>
      <Show when={props.room.sharingScreen}>
        <p class="notice bright"><Icon name="screen" />{app.t().yourScreen}
          <button type="button" class="link-button" onClick={() => app.commands.stopScreen()}>{app.t().stopSharing}</button>
        </p>
      </Show>
      <Show when={app.ui().flash}>{text => <p class="notice bright"><Icon name="check" />{text()}</p>}</Show>
    </div>
  )
}

/** The tiles. They move when the layout changes; none is made anew, so no picture goes dark. */
function Seats(props: Props): JSX.Element {
  const app = useApp()
  const [area, setArea] = createSignal<Size>({ width: 0, height: 0 })
  const [scrolled, setScrolled] = createSignal(0)
  let scroller!: HTMLDivElement
  const stage = createStage(app, () => props.room, area)
  subscribe(app, stage, scrolled, area)
  onMount(() => {
    const measure = (): void => { setArea({ width: scroller.clientWidth, height: scroller.clientHeight }) }
    const observer = new ResizeObserver(measure)
    observer.observe(scroller)
    measure()
    onCleanup(() => observer.disconnect())
  })
  const scrolls = (): boolean => stage.height() > area().height + 1
  return (
    <div class="seats-scroll" ref={scroller} onScroll={() => setScrolled(scroller.scrollTop)} tabindex={scrolls() ? '0' : undefined} role="region" aria-label={app.t().tiles}>
      <ul class="seats" style={{ height: `${stage.height()}px` }}>
        <For each={stage.keys()}>
          {key => (
            <Show when={stage.figures().get(key)}>
              {figure => <Show when={stage.places().get(key)}>{place => <Seat figure={figure()} place={place()} room={props.room} />}</Show>}
            </Show>
          )}
        </For>
      </ul>
      <Show when={stage.rest()}>
        {box => (
          <button
            type="button" class="seat rest" title={app.t().peoplePanel} style={{ width: `${box().width}px`, height: `${box().height}px`, translate: `${box().x}px ${box().y}px` }}
            onClick={() => app.setUi({ panel: 'people' })}
          >
            <span aria-hidden="true">{`+${stage.hidden()}`}</span><span class="sr-only">{app.t().moreHere(stage.hidden())}</span>
          </button>
        )}
      </Show>
    </div>
  )
}

function RoomControls(): JSX.Element {
  const app = useApp()
  return (
    <Controls>
      <CommandButton command={commands.mute} class="round" />
      <CommandButton command={commands.camera} class="round" />
      <CommandButton command={commands.screen} class="round wide-only" />
      <CommandButton command={commands.hand} class="round" />
      <Reactions />
      <CommandButton command={commands.chat} class="round" badge={app.ui().unread} described="unread" />
      <CommandButton command={commands.people} class="round wide-only" />
      <More
        narrow={[commands.people, commands.screen]} reactions
        rows={[commands.speakerView, commands.link, commands.file, commands.groups, commands.record, commands.recordings, commands.details, commands.fill, commands.fullScreen, commands.picture]}
      />
      <CommandButton command={commands.hangUp} class="round stop" />
    </Controls>
  )
}

export function RoomScreen(props: Props): JSX.Element {
  const app = useApp()
  let stage!: HTMLElement
  const quiet = createQuiet(app, () => props.room, () => stage)
  const drop = createDrop(app)
  const panel = (): string | null => app.ui().panel
  return (
    <>
      <section class="stage room" ref={stage} aria-label={roomLine(app.t(), props.room)} classList={{ quiet: quiet(), filled: app.prefs().fill }} {...drop.handlers}>
        <h1 classList={{ 'sr-only': props.room.title === '', 'room-title': props.room.title !== '' }} tabindex="-1">{props.room.title || app.t().meeting}</h1>
        <Seats room={props.room} />
        <Voices />
        <Facts call={props.room} people={props.room.members.length} />
        <Remarks room={props.room} />
        <Show when={panel() !== 'chat'}><FileToast call={props.room} /></Show>
        <RoomControls />
        <Show when={drop.over()}><div class="drop"><Icon name="file" /><p>{app.t().dropForAll}</p></div></Show>
      </section>
      <Show when={panel() === 'chat'}><ChatPanel call={props.room} /></Show>
      <Show when={panel() === 'details'}><DetailsPanel call={props.room} /></Show>
      <Show when={panel() === 'people'}><PeoplePanel call={props.room} /></Show>
    </>
  )
}
