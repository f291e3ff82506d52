/** How encoders and players come into a room: the address and the key that they are to be given. */
import type { Door, RoomKey } from '@visavis/client'
import { createSignal, Show, type JSX } from 'solid-js'
import { whepAddress, whipAddress } from '../route.js'
import { useApp } from '../state/app.js'
import { CopyButton } from './basics.jsx'

function Given(props: { readonly label: string, readonly copy: string, readonly text: string, readonly secret?: boolean }): JSX.Element {
  return (
    <div class="given">
      <label>
        <span class="meta">{props.label}</span>
        <input type={props.secret ? 'password' : 'text'} readOnly value={props.text} autocomplete="off" spellcheck={false} onFocus={event => event.currentTarget.select()} />
      </label>
      <CopyButton label={props.copy} text={() => props.text} class="button small" />
    </div>
  )
}

/** A button that asks for a key, and what it is for once it is there. */
function Way(props: { readonly room: string, readonly door: Door }): JSX.Element {
  const app = useApp()
  const [open, setOpen] = createSignal(false)
  const publishes = (): boolean => props.door === 'publish'
  const found = (): RoomKey | undefined => app.model().keys.find(({ room, door }) => room === props.room && door === props.door)
  const address = (): string => (publishes() ? whipAddress : whepAddress)(location.origin, props.room)
  const until = (expires: number): string => new Intl.DateTimeFormat(app.lang(), { dateStyle: 'long', timeStyle: 'short' }).format(expires)
  const press = (): void => {
    setOpen(!open())
    if (open() && (found()?.expires ?? 0) < Date.now()) app.commands.askKey(props.room, props.door)
  }
  return (
    <div class="way" data-door={props.door}>
      <button type="button" class="button small" aria-expanded={open()} onClick={press}>{publishes() ? app.t().connectEncoder : app.t().watchElsewhere}</button>
      <Show when={open()}>
        <p class="quiet">{publishes() ? app.t().connectEncoderText : app.t().watchElsewhereText}</p>
        <Given label={app.t().serverAddress} copy={app.t().copyAddress} text={address()} />
        <Show when={found()}>
          {key => (
            <>
              <Given label={publishes() ? app.t().streamKey : app.t().bearerToken} copy={app.t().copyKey} text={key().key} secret />
              <p class="quiet">{app.t().keyEnds(until(key().expires))}</p>
            </>
          )}
        </Show>
      </Show>
    </div>
  )
}

export function Doors(props: { readonly room: string }): JSX.Element {
  return (
    <section class="doors">
      <Way room={props.room} door="publish" />
      <Way room={props.room} door="watch" />
    </section>
  )
}
