/** What the page says about end-to-end encryption in a room. */
import type { Encryption, Trust } from '@visavis/client/model.js'
import { createUniqueId, For, Show, type JSX } from 'solid-js'
import { useApp } from '../state/app.js'
import { Icon, type IconName } from './icons.jsx'

/** The switch for new meetings. */
export function EncryptedMeeting(): JSX.Element {
  const app = useApp()
  const id = createUniqueId()
  const on = (): boolean => app.features.encryption && app.prefs().encrypted
  /** What there is to say stands on the screen when it is on, or cannot be; it is always there to be heard. */
  const told = (): boolean => on() || !app.features.encryption
  return (
    <div class="encrypted-choice">
      <label class="switch">
        <span>{app.t().encryptedMeeting}</span>
        <input
          type="checkbox" role="switch" aria-describedby={id} disabled={!app.features.encryption} checked={on()}
          onChange={event => app.setPrefs({ encrypted: event.currentTarget.checked })}
        />
      </label>
      <p id={id} classList={{ 'sr-only': !told() }}>{app.features.encryption ? app.t().encryptedMeetingText : app.t().encryptedMeetingMissing}</p>
    </div>
  )
}

/** Says that a link holds a key. */
export function EncryptedNote(): JSX.Element {
  const app = useApp()
  return <p class="encrypted-note"><Icon name="lock" /><span>{app.t().encryptedLink}</span></p>
}

/** In the corner of an encrypted room: that it is, and how many cannot be seen and heard for it. */
export function EncryptedBadge(props: { readonly encryption: Encryption }): JSX.Element {
  const app = useApp()
  const without = (): number => Object.values(props.encryption.trust).filter(trust => trust !== 'verified').length
  const label = (): string => (without() > 0 ? app.t().encryptedTrouble(without()) : app.t().encryptedRoom)
  const open = (): boolean => app.ui().panel === 'people'
  return (
    <button type="button" class="quality encrypted-badge" data-sound={without() === 0} aria-expanded={open()} aria-label={label()} title={label()} onClick={() => app.setUi({ panel: open() ? null : 'people' })}>
      <Icon name="lock" /><span>{app.t().encryptedRoom}</span>
    </button>
  )
}

const marks: Readonly<Record<Trust, IconName>> = { verified: 'shield', waiting: 'lock', failed: 'warning' }

/** How it stands with one person. */
export function TrustMark(props: { readonly trust: Trust, readonly name: string }): JSX.Element {
  const app = useApp()
  const text = (): string => ({ verified: app.t().trustVerified, waiting: app.t().trustWaiting, failed: app.t().trustFailed })[props.trust]
  return <span class="trust" data-trust={props.trust} title={app.t().trust(props.name)}><Icon name={marks[props.trust]} /><span>{text()}</span></span>
}

/** The code that proves who has keys. */
export function RoomSafety(props: { readonly encryption: Encryption }): JSX.Element {
  const app = useApp()
  const id = createUniqueId()
  return (
    <section class="safety" aria-labelledby={id}>
      <h3 id={id}><Icon name="shield" />{app.t().safety}</h3>
      <Show when={props.encryption.safetyCode} fallback={<p>{app.t().groupSafetyWait}</p>}>
        {code => (
          <>
            <p class="code" translate="no"><For each={code().split(/\s+/)}>{group => <span>{group}{' '}</span>}</For></p>
            <p>{app.t().groupSafetyText}</p>
          </>
        )}
      </Show>
      <p>{app.t().encryptedText}</p>
    </section>
  )
}
