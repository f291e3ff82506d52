/** Groups of a room: who goes where, and what an owner does with them. */
import type { Placed } from '@visavis/client/protocol.js'
import type { RoomCall } from '@visavis/client/model.js'
import { createEffect, createMemo, createSignal, For, Index, on, Show, type JSX } from 'solid-js'
import { clock } from '../format.js'
import { useApp } from '../state/app.js'
import { commands, situation } from '../commands.js'
import { ActionButton, Avatar } from './basics.jsx'
import { Icon } from './icons.jsx'

/** Groups that can be made here at most; the server takes more. */
const most = 20
/** Seconds that people are given to come back. */
const notice = 10

/** Seconds until everybody is back in the main room; null if no end is set. The clock of the page ticks once a second. */
function left(room: RoomCall, now: number): number | null {
  return room.breakoutEnds === null ? null : Math.max(0, Math.floor((room.breakoutEnds - now) / 1000))
}

/** In which group one is, or may be, and how long. */
export function GroupNotice(props: { readonly room: RoomCall }): JSX.Element {
  const app = useApp()
  const name = (number: number | null): string => props.room.breakout?.groups.find(group => group.number === number)?.name ?? ''
  const go = (group: number | null): void => app.commands.breakout({ kind: 'go', group })
  const ends = (): number | null => left(props.room, app.now())
  const text = createMemo(() => {
    const { breakout } = props.room
    if (breakout === null) return ''
    if (breakout.closing) return app.t().groupsClosing
    if (breakout.at !== null) return app.t().inGroup(name(breakout.at))
    return breakout.yours !== null ? app.t().yourGroup(name(breakout.yours)) : app.t().groupsOn
  })
  createEffect(on(text, (now, before) => {
    if (now !== '') app.announce(now)
    else if (before) app.announce(app.t().groupsOver)
  }))
  return (
    <Show when={props.room.breakout}>
      {breakout => (
        <p class="notice group-notice">
          <Icon name="groups" />
          <span>{text()}</span>
          <Show when={ends() !== null}><span class="group-clock" role="timer">{clock(ends()!)}</span></Show>
          <Show when={breakout().at !== null}><button type="button" class="link-button" onClick={() => go(null)}>{app.t().toMainRoom}</button></Show>
          <Show when={breakout().at === null && breakout().yours !== null && !breakout().closing}><button type="button" class="link-button" onClick={() => go(breakout().yours)}>{app.t().toYourGroup}</button></Show>
          <Show when={commands.groups.available(situation(app))}>
            <button type="button" class="link-button" onClick={() => commands.groups.run(app)}>{app.t().groups}</button>
          </Show>
        </p>
      )}
    </Show>
  )
}

function Choice(props: { readonly label: string, readonly value: number, readonly names: readonly string[], readonly onChoose: (group: number) => void }): JSX.Element {
  const app = useApp()
  return (
    <select aria-label={props.label} onChange={event => props.onChoose(Number(event.currentTarget.value))}>
      <option value="0" selected={props.value === 0}>{app.t().mainRoom}</option>
      <For each={props.names}>{(name, index) => <option value={index() + 1} selected={props.value === index() + 1}>{name}</option>}</For>
    </select>
  )
}

/** Divides a room: how many groups, what they are called, who goes where, and for how long. */
function Plan(props: { readonly room: RoomCall, readonly onDone: () => void }): JSX.Element {
  const app = useApp()
  const people = (): RoomCall['members'] => props.room.members.filter(member => member.kind !== 'encoder')
  const movable = (): RoomCall['members'] => people().filter(member => member.number !== props.room.you)
  const [names, setNames] = createSignal<readonly string[]>([1, 2].map(number => app.t().groupName(number)))
  const [places, setPlaces] = createSignal<ReadonlyMap<number, number>>(new Map())
  const [minutes, setMinutes] = createSignal(0)
  const resize = (count: number): void => {
    const size = Math.min(most, Math.max(1, count))
    setNames(Array.from({ length: size }, (_, index) => names()[index] ?? app.t().groupName(index + 1)))
    setPlaces(new Map([...places()].filter(([, group]) => group <= size)))
  }
  const shuffle = (): void => {
    const all = movable().map(({ number }) => number)
    for (let at = all.length - 1; at > 0; at--) {
      const other = Math.floor(Math.random() * (at + 1));
      [all[at], all[other]] = [all[other]!, all[at]!]
    }
    setPlaces(new Map(all.map((number, index) => [number, (index % names().length) + 1])))
    app.announce(app.t().shuffled(names().length))
  }
  const place = (number: number, group: number): void => {
    const next = new Map(places())
    if (group === 0) next.delete(number)
    else next.set(number, group)
    setPlaces(next)
  }
  const start = (event: Event): void => {
    event.preventDefault()
    const groups = names().map((name, index) => ({
      name: name.trim() || app.t().groupName(index + 1),
      members: people().map(({ number }) => number).filter(number => places().get(number) === index + 1),
    }))
    app.commands.breakout({ kind: 'start', groups, rest: false, ...(minutes() > 0 ? { seconds: minutes() * 60 } : {}) })
    props.onDone()
  }
  return (
    <form class="groups" onSubmit={start}>
      <p class="quiet">{app.t().groupsText}</p>
      <div class="group-numbers">
        <label><span>{app.t().groupCount}</span><input type="number" min="1" max={most} value={names().length} onInput={event => { if (event.currentTarget.value !== '') resize(Number(event.currentTarget.value)) }} /></label>
        <label><span>{app.t().groupMinutes}</span><input type="number" min="0" max="1440" value={minutes()} onInput={event => setMinutes(Math.min(1440, Math.max(0, Number(event.currentTarget.value))))} /></label>
        <button type="button" class="button small" onClick={shuffle}>{app.t().byChance}</button>
      </div>
      <fieldset class="group-names">
        <legend>{app.t().groupNames}</legend>
        <Index each={names()}>
          {(name, index) => <input aria-label={app.t().groupName(index + 1)} maxlength="64" value={name()} onChange={event => setNames(names().map((one, at) => (at === index ? event.currentTarget.value : one)))} />}
        </Index>
      </fieldset>
      <ul class="group-people">
        <For each={people()}>
          {member => (
            <li>
              <Avatar name={member.person.name} /><span class="person-name">{member.person.name}{member.number === props.room.you ? ` (${app.t().you})` : ''}</span>
              <Choice label={app.t().groupOf(member.person.name)} value={places().get(member.number) ?? 0} names={names()} onChoose={group => place(member.number, group)} />
            </li>
          )}
        </For>
      </ul>
      <button type="submit" class="button primary">{app.t().groupsStart}</button>
    </form>
  )
}

function There(props: { readonly person: Placed, readonly names: readonly string[], readonly you: number }): JSX.Element {
  const app = useApp()
  const { person: { name }, number } = props.person
  const away = (): boolean => props.person.group !== null && props.person.at !== props.person.group
  const move = (group: number): void => app.commands.breakout(number === props.you ? { kind: 'go', group: group || null } : { kind: 'assign', member: number, group: group || null })
  return (
    <li>
      <Avatar name={name} />
      <span class="person-name">{name}{number === props.you ? ` (${app.t().you})` : ''}
        <Show when={away()}><span class="meta">{app.t().sentTo(props.names[props.person.group! - 1] ?? '')}</span></Show>
      </span>
      <Show when={props.person.hand}><span class="raised"><Icon name="hand" /><span class="sr-only">{app.t().handUp(name)}</span></span></Show>
      <Choice label={app.t().groupOf(name)} value={props.person.at ?? 0} names={props.names} onChoose={move} />
    </li>
  )
}

/** A divided room: who is where, a word to everybody, and the way back. */
function Divided(props: { readonly room: RoomCall, readonly breakout: NonNullable<RoomCall['breakout']> }): JSX.Element {
  const app = useApp()
  let field!: HTMLInputElement
  const names = (): readonly string[] => props.breakout.groups.map(({ name }) => name)
  const at = (group: number | null): readonly Placed[] => (props.breakout.people ?? []).filter(person => person.at === group)
  const ends = (): number | null => left(props.room, app.now())
  const say = (event: Event): void => {
    event.preventDefault()
    const text = field.value.trim()
    if (text === '') return
    app.commands.breakout({ kind: 'say', text })
    field.value = ''
    app.announce(app.t().saidToAll)
  }
  return (
    <div class="groups">
      <Show when={ends() !== null}><p class="group-ends"><span>{app.t().groupsEnd}</span> <strong role="timer">{clock(ends()!)}</strong></p></Show>
      <For each={[null, ...props.breakout.groups]}>
        {group => (
          <section class="group" aria-label={group?.name ?? app.t().mainRoom}>
            <header>
              <h3>{group?.name ?? app.t().mainRoom} <span class="meta">{at(group?.number ?? null).length}</span></h3>
              <Show when={props.breakout.at !== (group?.number ?? null)} fallback={<span class="meta">{app.t().youAreHere}</span>}>
                <button type="button" class="button small" onClick={() => app.commands.breakout({ kind: 'go', group: group?.number ?? null })}>{app.t().visit}<span class="sr-only"> {group?.name ?? app.t().mainRoom}</span></button>
              </Show>
            </header>
            <ul class="group-people"><For each={at(group?.number ?? null)}>{person => <There person={person} names={names()} you={props.room.you} />}</For></ul>
          </section>
        )}
      </For>
      <Show when={props.room.encryption === null} fallback={<p class="quiet">{app.t().sayAllEncrypted}</p>}>
        <form class="group-say" onSubmit={say}>
          <input ref={field} aria-label={app.t().sayAll} placeholder={app.t().sayAll} maxlength="2000" />
          <ActionButton icon="send" iconOnly class="icon-button send" label={app.t().send} onClick={() => field.form?.requestSubmit()} />
        </form>
      </Show>
      <div class="button-row">
        <button type="button" class="button primary" disabled={props.breakout.closing} onClick={() => app.commands.breakout({ kind: 'recall', seconds: notice })}>{app.t().recall(notice)}</button>
        <button type="button" class="button" onClick={() => app.commands.breakout({ kind: 'recall', seconds: 0 })}>{app.t().recallNow}</button>
      </div>
    </div>
  )
}

export function Groups(props: { readonly onDone: () => void }): JSX.Element {
  const app = useApp()
  const room = (): RoomCall | null => { const { call } = app.model(); return call.kind === 'room' ? call : null }
  return (
    <Show when={room()}>
      {now => (
        <Show when={now().breakout} fallback={<Plan room={now()} onDone={props.onDone} />}>
          {breakout => <Divided room={now()} breakout={breakout()} />}
        </Show>
      )}
    </Show>
  )
}
