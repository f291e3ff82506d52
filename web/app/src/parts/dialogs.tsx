/** Settings and help: native dialogs, which keep the focus and close with Escape. */
import { createEffect, createUniqueId, For, onMount, Show, type JSX } from 'solid-js'
import { commands, situation, type Command } from '../commands.js'
import { dictionaries, languages, type Language } from '../i18n/index.js'
import { NameField } from '../screens/start.jsx'
import { useApp } from '../state/app.js'
import type { Prefs } from '../state/prefs.js'
import { AccountSection } from './account.jsx'
import { RecordingList } from './recordings.jsx'
import { ActionButton } from './basics.jsx'
import { Groups } from './groups.jsx'
import { DeviceChoices } from './devices.jsx'

function Dialog(props: { readonly title: string, readonly children: JSX.Element }): JSX.Element {
  const app = useApp()
  const id = createUniqueId()
  let dialog!: HTMLDialogElement
  let before: Element | null = null
  onMount(() => { before = document.activeElement; dialog.showModal() })
  const closed = (): void => {
    app.setUi({ dialog: null })
    if (before instanceof HTMLElement && before.isConnected) before.focus()
  }
  return (
    <dialog ref={dialog} aria-labelledby={id} onClose={closed} onClick={event => { if (event.target === dialog) dialog.close() }}>
      <div class="dialog-body">
        <header>
          <h2 id={id}>{props.title}</h2>
          <ActionButton icon="close" label={app.t().close} iconOnly class="icon-button" onClick={() => dialog.close()} />
        </header>
        {props.children}
      </div>
    </dialog>
  )
}

function Choice<T extends string>(props: { readonly name: string, readonly value: T, readonly options: readonly (readonly [T, string])[], readonly onChoose: (value: T) => void }): JSX.Element {
  const group = createUniqueId()
  return (
    <fieldset class="segments">
      <legend>{props.name}</legend>
      <div>
        <For each={props.options}>
          {([value, label]) => (
            <label><input type="radio" name={group} checked={props.value === value} onChange={() => props.onChoose(value)} /><span lang={value.length === 2 ? value : undefined}>{label}</span></label>
          )}
        </For>
      </div>
    </fieldset>
  )
}

function Toggle(props: { readonly name: string, readonly checked: boolean, readonly disabled?: boolean, readonly onChange: (on: boolean) => void }): JSX.Element {
  return (
    <label class="switch">
      <span>{props.name}</span>
      <input type="checkbox" role="switch" checked={props.checked} disabled={props.disabled} onChange={event => props.onChange(event.currentTarget.checked)} />
    </label>
  )
}

function Alerts(): JSX.Element {
  const app = useApp()
  const blocked = (): boolean => !app.features.notifications || Notification.permission === 'denied'
  const notify = async (on: boolean): Promise<void> => {
    const granted = on && (await Notification.requestPermission()) === 'granted'
    app.setPrefs({ notifications: granted })
  }
  return (
    <section>
      <h3>{app.t().alerts}</h3>
      <Toggle name={app.t().sounds} checked={app.prefs().sounds} onChange={on => app.setPrefs({ sounds: on })} />
      <Toggle name={app.t().notifications} checked={app.prefs().notifications && !blocked()} disabled={blocked()} onChange={on => void notify(on)} />
      <Show when={blocked()}><p class="quiet">{app.t().notificationsDenied}</p></Show>
      <Toggle name={app.t().keys} checked={app.prefs().singleKeys} onChange={on => app.setPrefs({ singleKeys: on })} />
    </section>
  )
}

function Settings(): JSX.Element {
  const app = useApp()
  const auto = (): readonly ['auto', string] => ['auto', app.t().automatic]
  return (
    <Dialog title={app.t().settings}>
      <section><NameField /></section>
      <section>
        <h3>{app.t().devices}</h3>
        <DeviceChoices />
      </section>
      <section>
        <h3>{app.t().appearance}</h3>
        <Choice<Language | 'auto'> name={app.t().language_} value={app.prefs().language} onChoose={language => app.setPrefs({ language })}
          options={[auto(), ...languages.map(code => [code, dictionaries[code].language] as const)]} />
        <Choice<Prefs['theme']> name={app.t().theme} value={app.prefs().theme} onChoose={theme => app.setPrefs({ theme })}
          options={[auto(), ['light', app.t().light], ['dark', app.t().dark]]} />
      </section>
      <Alerts />
      <AccountSection />
    </Dialog>
  )
}

function Help(): JSX.Element {
  const app = useApp()
  const listed = (): readonly Command[] => Object.values(commands).filter(command => command.key !== null)
  const can = (command: Command): boolean => command.available(situation(app))
  return (
    <Dialog title={app.t().help}>
      <p class="quiet">{app.t().helpText}</p>
      <table class="keys">
        <thead class="sr-only"><tr><th scope="col">{app.t().key}</th><th scope="col">{app.t().does}</th></tr></thead>
        <tbody>
          <For each={listed()}>
            {command => <tr classList={{ faint: !can(command) }}><td><kbd>{command.key}</kbd></td><td>{command.name(app.t())}</td></tr>}
          </For>
          <tr><td><kbd>Esc</kbd></td><td>{app.t().escape}</td></tr>
          <tr><td><kbd>← ↑ ↓ →</kbd></td><td>{app.t().arrows}</td></tr>
        </tbody>
      </table>
    </Dialog>
  )
}

function Recordings(): JSX.Element {
  const app = useApp()
  return <Dialog title={app.t().recordings}><RecordingList /></Dialog>
}

function GroupsDialog(): JSX.Element {
  const app = useApp()
  // Who is no owner any more, or in no room, has nothing to do here.
  createEffect(() => { if (!commands.groups.available(situation(app))) app.setUi({ dialog: null }) })
  return <Dialog title={app.t().groups}><Groups onDone={() => app.setUi({ dialog: null })} /></Dialog>
}

export function Dialogs(): JSX.Element {
  const app = useApp()
  return (
    <>
      <Show when={app.ui().dialog === 'settings'}><Settings /></Show>
      <Show when={app.ui().dialog === 'help'}><Help /></Show>
      <Show when={app.ui().dialog === 'groups'}><GroupsDialog /></Show>
      <Show when={app.ui().dialog === 'recordings'}><Recordings /></Show>
    </>
  )
}
