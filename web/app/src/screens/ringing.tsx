/** The screens around a call: it rings here, it rings there, waiting at a link, and what came of it. */
import type { Call } from '@visavis/client/model.js'
import { Show, type JSX } from 'solid-js'
import { commands } from '../commands.js'
import { duration } from '../format.js'
import { Avatar, ActionButton, CommandButton, CopyButton, Video } from '../parts/basics.jsx'
import { Doors } from '../parts/doors.jsx'
import { Icon } from '../parts/icons.jsx'
import { EncryptedNote } from '../parts/encryption.jsx'
import { QrCode } from '../parts/qr-code.jsx'
import { callLink, meetLink } from '../route.js'
import { useApp } from '../state/app.js'
import { endAdvice } from '../state/words.js'
import { SelfView } from '../parts/self.jsx'

type Of<K extends Call['kind']> = Extract<Call, { kind: K }>

/** A person, large, while something is about to happen. The status line stands right under the name. */
function Hero(props: { readonly name: string, readonly pulsing: boolean, readonly note?: string, readonly room?: boolean }): JSX.Element {
  return (
    <div class="hero">
      <div class="halo" classList={{ pulsing: props.pulsing }}>
        <Show when={props.room} fallback={<Avatar name={props.name} size="large" />}><span class="avatar large plain"><Icon name="people" /></span></Show>
      </div>
      <h1 tabindex="-1">{props.name}</h1>
      <Show when={props.note}><p class="note">{props.note}</p></Show>
    </div>
  )
}

/** Your own picture, small, in the background of ringing. */
function SmallSelf(): JSX.Element {
  const app = useApp()
  return (
    <div class="small-self" classList={{ hidden: app.model().camera.kind !== 'on' }}>
      <Video stream={app.streams().local} label={app.t().you} mirror />
    </div>
  )
}

export function OutgoingScreen(props: { readonly call: Of<'outgoing'> }): JSX.Element {
  return (
    <>
      <Hero name={props.call.person?.name ?? props.call.to} pulsing />
      <div class="actions">
        <CommandButton command={commands.mute} class="round" />
        <CommandButton command={commands.hangUp} class="round stop" />
        <CommandButton command={commands.camera} class="round" />
      </div>
      <SmallSelf />
    </>
  )
}

export function IncomingScreen(props: { readonly call: Of<'incoming'> }): JSX.Element {
  const app = useApp()
  return (
    <>
      <Hero name={props.call.from.name} pulsing {...(props.call.from.verified ? {} : { note: app.t().guest })} />
      <div class="actions">
        <CommandButton command={commands.decline} class="round stop" />
        <CommandButton command={commands.acceptAudio} class="round" />
        <CommandButton command={commands.accept} class="round go" />
      </div>
      <SmallSelf />
    </>
  )
}

export function WaitingScreen(props: { readonly call: Of<'waiting'> }): JSX.Element {
  const app = useApp()
  const link = (): string => meetLink(location.origin, props.call.room, props.call.key)
  return (
    <>
      <SelfView />
      <div class="side">
        <div class="intro">
          <h1 tabindex="-1">{app.t().waitingTitle}</h1>
          <p>{app.t().waitingText}</p>
          <Show when={props.call.key !== null}><EncryptedNote /></Show>
        </div>
        <div class="card invite">
          <QrCode text={link()} label={app.t().qr} />
          <p class="link-text">{link().replace(/^https?:\/\//, '')}</p>
          <CopyButton label={app.t().copyLink} text={link} class="button primary wide" />
        </div>
        <Doors room={props.call.room} />
        <ActionButton icon="back" label={app.t().leave} class="button quiet" onClick={() => { app.commands.hangUp(); app.actions.go({ kind: 'start' }) }} />
      </div>
    </>
  )
}

export function LobbyScreen(): JSX.Element {
  const app = useApp()
  return (
    <>
      <Hero name={app.t().meeting} pulsing room note={app.t().lobbyText} />
      <div class="actions">
        <CommandButton command={commands.mute} class="round" />
        <CommandButton command={commands.camera} class="round" />
        <ActionButton icon="back" label={app.t().leave} class="button quiet" onClick={() => { app.commands.hangUp(); app.actions.go({ kind: 'start' }) }} />
      </div>
      <SmallSelf />
    </>
  )
}

export function EndedScreen(props: { readonly call: Of<'ended'> }): JSX.Element {
  const app = useApp()
  const name = (): string => props.call.person?.name ?? props.call.to
  const canReturn = (): boolean => !['removed', 'room-locked', 'needs-token', 'encrypted', 'not-encrypted', 'cannot-encrypt'].includes(props.call.reason)
  const note = (): string => props.call.seconds > 0 ? app.t().lasted(duration(app.lang(), props.call.seconds)) : endAdvice(app.t(), props.call)
  return (
    <>
      <Hero name={props.call.room === null ? name() || app.t().theOther : app.t().meeting} pulsing={false} room={props.call.room !== null} />
      <div class="actions column">
        <Show when={note()}><p class="note">{note()}</p></Show>
        <div class="actions-row">
          <Show when={props.call.reason !== 'elsewhere' && name()}>
            <ActionButton icon="phone" label={app.t().callAgain} class="button go" onClick={() => { const to = props.call.to || name(); app.commands.dismiss(); app.actions.callPerson(to) }} />
          </Show>
          <Show when={canReturn() && props.call.room}>
            {room => <ActionButton icon="people" label={app.t().joinAgain} class="button go" onClick={() => { const [to, { key }] = [room(), props.call]; app.commands.dismiss(); app.actions.meet(to, key) }} />}
          </Show>
          <Show when={props.call.reason === 'unavailable'}>
            <CopyButton label={app.t().copyLink} text={() => callLink(location.origin, app.model().me?.name ?? app.prefs().name)} />
          </Show>
          <ActionButton icon="check" label={app.t().done} onClick={() => app.actions.dismiss()} />
        </div>
      </div>
    </>
  )
}
