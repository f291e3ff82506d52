/** Who is in the call, the link that leads to it, and what an owner of a room may do. */
import type { Action, Knock, Member, Trust } from '@visavis/client'
import { createSignal, For, onCleanup, Show, type JSX } from 'solid-js'
import { meetLink, watchLink } from '../route.js'
import { selfOf, useApp, type Talk } from '../state/app.js'
import { ActionButton, Avatar, CopyButton } from './basics.jsx'
import { Doors } from './doors.jsx'
import { RoomSafety, TrustMark } from './encryption.jsx'
import { Icon } from './icons.jsx'
import { Panel } from './panel.jsx'
import { QrCode } from './qr-code.jsx'

/** How long a question stands before it is taken back, in milliseconds. */
const doubt = 4000

/** A button that asks once more before it does what cannot be undone. */
function Sure(props: { readonly label: string, readonly question: string, readonly class?: string, readonly onSure: () => void }): JSX.Element {
  const [asked, setAsked] = createSignal(false)
  let timer: ReturnType<typeof setTimeout> | undefined
  onCleanup(() => clearTimeout(timer))
  const press = (): void => {
    clearTimeout(timer)
    if (asked()) props.onSure()
    else timer = setTimeout(() => setAsked(false), doubt)
    setAsked(!asked())
  }
  return <button type="button" class={`button small ${props.class ?? ''}`} classList={{ stop: asked() }} onClick={press}><span aria-live="polite">{asked() ? props.question : props.label}</span></button>
}

export function Knocking(props: { readonly people: readonly Knock[] }): JSX.Element {
  const app = useApp()
  const decide = (kind: 'admit' | 'deny', member: number): void => app.commands.moderate({ kind, member })
  return (
    <ul class="knocking">
      <For each={props.people}>
        {knock => (
          <li>
            <Avatar name={knock.person.name} />
            <span class="person-name">{app.t().knocks(knock.person.name)}</span>
            <button type="button" class="button small primary" aria-label={app.t().admitPerson(knock.person.name)} onClick={() => decide('admit', knock.number)}>{app.t().admit}</button>
            <button type="button" class="button small" aria-label={app.t().denyPerson(knock.person.name)} onClick={() => decide('deny', knock.number)}>{app.t().deny}</button>
          </li>
        )}
      </For>
    </ul>
  )
}

/** What an owner may do with somebody, under their name once it is opened. */
function Moderation(props: { readonly member: Member }): JSX.Element {
  const app = useApp()
  const encoder = (): boolean => props.member.kind === 'encoder'
  const act = (kind: 'mute' | 'unmute' | 'remove' | 'promote' | 'demote'): void => app.commands.moderate({ kind, member: props.member.number })
  return (
    <div class="button-row member-actions">
      <Show when={props.member.sending.microphone}>
        <button type="button" class="button small" onClick={() => act('mute')}>{app.t().muteThem}</button>
      </Show>
      <Show when={encoder() && !props.member.sending.microphone && props.member.role !== 'attendee'}>
        <button type="button" class="button small" onClick={() => act('unmute')}>{app.t().unmuteThem}</button>
      </Show>
      <Show when={props.member.role !== 'owner' && !(encoder() && props.member.role === 'presenter')}>
        <button type="button" class="button small" onClick={() => act('promote')}>{props.member.role === 'attendee' ? app.t().makePresenter : app.t().makeOwner}</button>
      </Show>
      <Show when={props.member.role !== 'attendee'}>
        <button type="button" class="button small" onClick={() => act('demote')}>{props.member.role === 'owner' ? app.t().makePresenter : app.t().makeAttendee}</button>
      </Show>
      <Sure label={app.t().remove} question={app.t().removeSure(props.member.person.name)} onSure={() => act('remove')} />
    </div>
  )
}

function Row(props: { readonly member: Member, readonly mine: boolean, readonly moderates: boolean, readonly speaks: boolean, readonly trust: Trust | null }): JSX.Element {
  const app = useApp()
  const [open, setOpen] = createSignal(false)
  const name = (): string => props.member.person.name
  const role = (): string => props.member.kind === 'encoder' ? app.t().encoder : ({ owner: app.t().owner, presenter: '', attendee: app.t().attendee })[props.member.role]
  return (
    <li class="member" classList={{ speaking: props.speaks, away: !props.member.connected && !props.mine }}>
      <div class="member-line">
        <Avatar name={name()} />
        <div class="member-text">
          <span class="person-name">{name()}<Show when={props.mine}>{` (${app.t().you})`}</Show></span>
          <Show when={role()}><span class="meta">{role()}</span></Show>
          <Show when={props.trust}>{trust => <TrustMark trust={trust()} name={name()} />}</Show>
        </div>
        <span class="member-marks">
          <Show when={props.member.hand}><span class="raised"><Icon name="hand" /><span class="sr-only">{app.t().handUp(name())}</span></span></Show>
          <Show when={props.member.sending.screen}><Icon name="screen" /><span class="sr-only">{app.t().remoteScreen(name())}</span></Show>
          <Icon name={props.member.sending.microphone ? 'mic' : 'micOff'} />
          <Show when={!props.member.sending.microphone}><span class="sr-only">{app.t().muted}</span></Show>
          <Show when={!props.member.sending.camera}><Icon name="cameraOff" /><span class="sr-only">{app.t().remoteCameraOff(name())}</span></Show>
        </span>
        <Show when={props.moderates && !props.mine}>
          <ActionButton icon="more" iconOnly class="icon-button" label={app.t().moderate(name())} expanded={open()} onClick={() => setOpen(!open())} />
        </Show>
      </div>
      <Show when={open() && props.moderates}><Moderation member={props.member} /></Show>
    </li>
  )
}

function Toggle(props: { readonly name: string, readonly on: boolean, readonly action: (on: boolean) => Action }): JSX.Element {
  const app = useApp()
  return (
    <label class="switch">
      <span>{props.name}</span>
      <input type="checkbox" role="switch" checked={props.on} onChange={event => app.commands.moderate(props.action(event.currentTarget.checked))} />
    </label>
  )
}

function Invite(props: { readonly room: string, readonly linkKey: string | null }): JSX.Element {
  const app = useApp()
  const link = (): string => meetLink(location.origin, props.room, props.linkKey)
  const [code, setCode] = createSignal(false)
  return (
    <section class="room-invite">
      <p class="link-text">{link().replace(/^https?:\/\//, '')}</p>
      <div class="button-row">
        <CopyButton label={app.t().copyLink} text={link} class="button small primary" />
        <button type="button" class="button small" aria-pressed={code()} onClick={() => setCode(!code())}>{app.t().qr}</button>
      </div>
      <Show when={code()}><QrCode text={link()} label={app.t().qr} /></Show>
    </section>
  )
}

export function PeoplePanel(props: { readonly call: Talk }): JSX.Element {
  const app = useApp()
  const room = (): Extract<Talk, { kind: 'room' }> | null => (props.call.kind === 'room' ? props.call : null)
  const moderates = (): boolean => { const now = room(); return now !== null && selfOf(now)?.role === 'owner' }
  /** Hands first, in the order of coming. */
  const members = (): readonly Member[] => { const all = room()?.members ?? []; return [...all.filter(one => one.hand), ...all.filter(one => !one.hand)] }
  return (
    <Panel title={app.t().peoplePanel} class="people-panel">
      <div class="panel-scroll" tabindex="0" role="region" aria-label={app.t().peoplePanel}>
        <Show when={room()?.knocking.length}><Knocking people={room()?.knocking ?? []} /></Show>
        <Show when={props.call.room} fallback={<p class="quiet">{app.t().inviteText}</p>}>{name => <Invite room={name()} linkKey={props.call.key} />}</Show>
        <Show when={!props.call.room}>
          <ActionButton icon="link" label={app.t().copyLink} class="button small primary" onClick={() => app.actions.copyLink()} />
        </Show>
        <Show when={room()}>
          {now => (
            <ul class="members">
              <For each={members().map(({ number }) => number)}>
                {number => (
                  <Show when={now().members.find(one => one.number === number)}>
                    {member => <Row member={member()} mine={number === now().you} moderates={moderates()} speaks={now().speaking.includes(number)} trust={now().encryption?.trust[number] ?? null} />}
                  </Show>
                )}
              </For>
            </ul>
          )}
        </Show>
        <Show when={room()?.watchers}>{count => <p class="quiet watchers">{app.t().watchers(count())}</p>}</Show>
        <Show when={props.call.kind === 'running' && props.call.room}>{name => <Doors room={name()} />}</Show>
        <Show when={room()?.encryption}>{encryption => <RoomSafety encryption={encryption()} />}</Show>
        <Show when={moderates() && room()}>
          {now => (
            <section class="moderation">
              <Toggle name={app.t().lobbyOn} on={now().lobby} action={on => ({ kind: 'lobby', on })} />
              <Toggle name={app.t().listenersOn} on={now().listeners} action={on => ({ kind: 'listeners', on })} />
              <Toggle name={app.t().lockOn} on={now().locked} action={on => ({ kind: 'lock', on })} />
              <Toggle name={app.t().watchingOn} on={now().watching} action={on => ({ kind: 'watching', on })} />
              <Show when={now().watching}>
                <CopyButton label={app.t().watchPage} text={() => watchLink(location.origin, now().room)} class="button small" />
              </Show>
              <Doors room={now().room} />
              <div class="button-row">
                <button type="button" class="button small" onClick={() => app.commands.moderate({ kind: 'mute-all' })}>{app.t().muteAll}</button>
                <Sure label={app.t().endForAll} question={app.t().endSure} onSure={() => app.commands.moderate({ kind: 'end' })} />
              </div>
            </section>
          )}
        </Show>
      </div>
    </Panel>
  )
}
