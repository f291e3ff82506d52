/** The field for the person to call, with suggestions from the directory (a combobox by the ARIA practice). */
import type { Presence } from '@visavis/client/protocol.js'
import { createEffect, createMemo, createSignal, createUniqueId, Index, on, onCleanup, Show, type JSX } from 'solid-js'
import { useApp } from '../state/app.js'
import { Avatar } from './basics.jsx'
import { Icon } from './icons.jsx'

/** How long after the last keystroke the directory is asked. */
const settle = 180

/** The word for somebody's presence; a key of the dictionary too. */
export function personState(presence: Presence): 'available' | 'busy' | 'away' {
  return presence.busy ? 'busy' : presence.present ? 'available' : 'away'
}

function Suggestion(props: { readonly presence: Presence, readonly id: string, readonly active: boolean, readonly onChoose: () => void }): JSX.Element {
  const app = useApp()
  return (
    <li
      id={props.id} role="option" class="person" classList={{ active: props.active }} aria-selected={props.active}
      onPointerDown={event => event.preventDefault()} onClick={() => props.onChoose()}
    >
      <Avatar name={props.presence.person.name} />
      <span class="person-name">
        {props.presence.person.name}
        <Show when={props.presence.person.verified}><span class="verified" title={app.t().verified}><Icon name="shield" /><span class="sr-only">{app.t().verified}</span></span></Show>
      </span>
      <span class="presence" data-state={personState(props.presence)}>{app.t()[personState(props.presence)]}</span>
    </li>
  )
}

export function PersonField(): JSX.Element {
  const app = useApp()
  const id = createUniqueId()
  const [open, setOpen] = createSignal(false)
  const [active, setActive] = createSignal(-1)
  let timer: ReturnType<typeof setTimeout> | undefined
  onCleanup(() => clearTimeout(timer))
  const query = createMemo(() => app.ui().query.trim())
  const matches = (): readonly Presence[] => {
    const start = query().toLocaleLowerCase()
    if (start === '') return []
    return app.model().people.filter(({ person }) => person.id !== app.model().me?.id && person.name.toLocaleLowerCase().startsWith(start))
  }
  // Nothing to suggest when the one match is what stands there already.
  const shown = (): boolean => open() && matches().length > 0 && !(matches().length === 1 && matches()[0]?.person.name === query())
  createEffect(on(query, text => {
    clearTimeout(timer)
    if (text !== '') timer = setTimeout(() => app.commands.find(text), settle)
  }))
  const choose = (presence: Presence): void => { app.setUi({ query: presence.person.name }); setOpen(false); setActive(-1) }
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    const count = matches().length
    if (step !== 0 && count > 0) {
      event.preventDefault()
      setOpen(true)
      setActive(at => (at + step + (at < 0 && step < 0 ? 1 : 0) + count) % count)
    } else if (event.key === 'Escape' && shown()) {
      event.stopPropagation()
      setOpen(false)
    } else if (event.key === 'Enter' && shown()) {
      const picked = matches()[active()]
      if (picked) { event.preventDefault(); choose(picked) }
    }
  }
  return (
    <div class="field combo">
      <label for={id}>{app.t().personToCall}</label>
      <input
        id={id} type="text" autocomplete="off" autocapitalize="words" spellcheck={false} maxlength="64" data-person-field
        value={app.ui().query} placeholder={app.t().personHint} enterkeyhint="go"
        aria-autocomplete="list" aria-controls={shown() ? `${id}-list` : undefined}
        aria-activedescendant={shown() && active() >= 0 ? `${id}-${active()}` : undefined}
        onInput={event => { app.setUi({ query: event.currentTarget.value }); setOpen(true); setActive(-1) }}
        onFocus={() => setOpen(true)} onBlur={() => setOpen(false)} onKeyDown={onKeyDown}
      />
      <Show when={shown()}>
        <ul id={`${id}-list`} class="suggestions" role="listbox" aria-label={app.t().people}>
          <Index each={matches()}>
            {(presence, at) => <Suggestion presence={presence()} id={`${id}-${at}`} active={active() === at} onChoose={() => choose(presence())} />}
          </Index>
        </ul>
      </Show>
      <span class="sr-only" aria-live="polite">{shown() ? app.t().suggestions(matches().length) : ''}</span>
    </div>
  )
}
