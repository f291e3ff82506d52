/** Before a call: you, whom to call, links to share. Also what a link opens. */
import { createEffect, createSignal, createUniqueId, For, on, onCleanup, Show, type JSX } from 'solid-js'
import { callLink, freshKey, freshRoom } from '../route.js'
import { useApp } from '../state/app.js'
import { Avatar, CopyButton } from '../parts/basics.jsx'
import { Icon } from '../parts/icons.jsx'
import { EncryptedMeeting, EncryptedNote } from '../parts/encryption.jsx'
import { PersonField, personState } from '../parts/person.jsx'
import { SelfView } from '../parts/self.jsx'
import { serverNotice } from '../state/words.js'

/** How long after the last keystroke a name counts as given. */
const settle = 600

/** The name you go by. It is kept, and told to the server, once you stop typing. */
export function NameField(): JSX.Element {
  const app = useApp()
  const id = createUniqueId()
  let timer: ReturnType<typeof setTimeout> | undefined
  let field!: HTMLInputElement
  onCleanup(() => clearTimeout(timer))
  // What was given is written back only if it is another name: whoever rests after a space goes on after it.
  createEffect(() => { const { name } = app.prefs(); if (field.value.trim() !== name) field.value = name })
  const commit = (input: HTMLInputElement): void => {
    clearTimeout(timer)
    if (input.value.trim() !== app.prefs().name || app.model().server.kind === 'offline') app.actions.setName(input.value)
  }
  return (
    <div class="field">
      <label for={id}>{app.t().yourName}</label>
      <input
        ref={field} id={id} type="text" autocomplete="nickname" maxlength="64" placeholder={app.t().yourNameHint}
        readonly={app.prefs().account !== null} spellcheck={false} data-name-field
        onInput={event => { const input = event.currentTarget; clearTimeout(timer); timer = setTimeout(() => commit(input), settle) }}
        onChange={event => commit(event.currentTarget)}
      />
    </div>
  )
}

/** Whether a name is given; if not, leads the person to where it is missing. */
function named(name: string): boolean {
  const field = document.querySelector<HTMLInputElement>('[data-name-field]')
  if ((field?.value ?? name).trim() !== '') return true
  field?.focus()
  return false
}

function CallForm(): JSX.Element {
  const app = useApp()
  const submit = (event: Event): void => {
    event.preventDefault()
    if (named(app.prefs().name)) app.actions.callPerson(app.ui().query)
    if (app.ui().query.trim() === '') document.querySelector<HTMLInputElement>('[data-person-field]')?.focus()
  }
  return (
    <form class="card call-form" onSubmit={submit}>
      <NameField />
      <div class="call-row">
        <PersonField />
        <button type="submit" class="button go" disabled={app.ui().intent !== null}><Icon name="phone" /><span>{app.t().call}</span></button>
      </div>
      <People />
    </form>
  )
}

/** Who was found, or who was called lately. A click puts the name into the field, ready to call. */
function People(): JSX.Element {
  const app = useApp()
  const recent = (): readonly string[] => (app.ui().query.trim() === '' ? app.prefs().recent : [])
  const choose = (name: string): void => {
    app.setUi({ query: name })
    document.querySelector<HTMLInputElement>('[data-person-field]')?.focus()
  }
  return (
    <Show when={recent().length > 0}>
      <h2 class="eyebrow">{app.t().recent}</h2>
      <ul class="people">
        <For each={recent()}>
          {name => (
            <li>
              <button type="button" class="person" onClick={() => choose(name)}>
                <Avatar name={name} /><span class="person-name">{name}</span>
                <Show when={app.known().get(name)}>{presence => <span class="presence" data-state={personState(presence())}>{app.t()[personState(presence())]}</span>}</Show>
              </button>
            </li>
          )}
        </For>
      </ul>
    </Show>
  )
}

function Share(): JSX.Element {
  const app = useApp()
  const [name, setName] = createSignal(app.prefs().name)
  createEffect(on(() => app.model().me?.name ?? app.prefs().name, setName))
  const meet = (): void => { if (named(name())) app.actions.go({ kind: 'meet', room: freshRoom(), key: app.prefs().encrypted && app.features.encryption ? freshKey() : null }) }
  return (
    <section class="share" aria-labelledby="share-title">
      <h2 id="share-title" class="eyebrow">{app.t().shareTitle}</h2>
      <div class="share-row">
        <p>{app.t().shareText}</p>
        <CopyButton label={app.t().copyLink} text={() => callLink(location.origin, name())} />
      </div>
      <div class="share-row">
        <p>{app.t().newMeetingText}</p>
        <button type="button" class="button" onClick={meet}><Icon name="people" /><span>{app.t().newMeeting}</span></button>
      </div>
      <EncryptedMeeting />
    </section>
  )
}

/** What a link `/c/NAME` or `/r/ROOM` opens. */
function LinkForm(): JSX.Element {
  const app = useApp()
  const route = (): ReturnType<typeof app.ui>['route'] => app.ui().route
  /** What is wrong with the join token of the link. */
  const refused = (): string | undefined => {
    const { server } = app.model()
    return server.kind === 'refused' && server.code.startsWith('token') ? serverNotice(app.t(), server, false, true, 0)?.text : undefined
  }
  const callee = (): string => { const now = route(); return now.kind === 'call' ? now.name : '' }
  const key = (): string | null => { const now = route(); return now.kind === 'meet' ? now.key : null }
  const submit = (event: Event): void => {
    event.preventDefault()
    const now = route()
    if (!app.invitation && !named(app.prefs().name)) return
    if (now.kind === 'call') app.actions.callPerson(now.name)
    if (now.kind === 'meet') app.actions.meet(now.room, now.key)
  }
  return (
    <>
      <div class="intro">
        <Show when={callee()} fallback={<span class="avatar large plain"><Icon name="people" /></span>}><Avatar name={callee()} size="large" /></Show>
        <h1 tabindex="-1">{refused() ?? (callee() ? app.t().callPerson(callee()) : app.t().meetTitle)}</h1>
        <Show when={!refused()} fallback={<p>{app.t().tokenAdvice}</p>}><p>{callee() ? app.t().callPersonText : app.invitation ? app.t().invitedAs(app.model().me?.name ?? app.invitation.name) : app.t().meetText}</p></Show>
        <Show when={key() !== null}><EncryptedNote /></Show>
      </div>
      <Show when={!refused()}>
      <form class="card call-form" onSubmit={submit}>
        <Show when={!app.invitation}><NameField /></Show>
        <button type="submit" class="button go wide" disabled={app.ui().intent !== null}>
          <Icon name={callee() ? 'phone' : 'people'} /><span>{callee() ? app.t().call : app.t().join}</span>
        </button>
      </form>
      </Show>
      <button type="button" class="button quiet" onClick={() => { if (app.invitation) location.assign('/'); else app.actions.go({ kind: 'start' }) }}><Icon name="back" /><span>{app.t().someoneElse}</span></button>
    </>
  )
}

export function StartScreen(): JSX.Element {
  const app = useApp()
  return (
    <>
      <SelfView />
      <div class="side">
        <Show when={app.ui().route.kind === 'start'} fallback={<LinkForm />}>
          <div class="intro">
            <h1 tabindex="-1">{app.t().tagline}</h1>
            <p>{app.t().taglineMore}</p>
          </div>
          <CallForm />
          <Share />
        </Show>
      </div>
    </>
  )
}
