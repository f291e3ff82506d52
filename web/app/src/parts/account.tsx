/** Sign up, log in, log out: an account keeps a name. */
import { createSignal, createUniqueId, Show, type JSX } from 'solid-js'
import { logIn, logInPasskey, logOut, register, registerPasskey, type Failure, type Login, type Result } from '../account.js'
import type { Dictionary } from '../i18n/index.js'
import { useApp } from '../state/app.js'
import { Icon } from './icons.jsx'

/** What went wrong, for a person. */
export function failureText(t: Dictionary, { code, message }: Failure): string {
  switch (code) {
    case 'name-taken': return t.accTaken
    case 'wrong': return t.accWrong
    case 'password': return t.accShort
    case 'network': return t.accNetwork
    case 'cancelled': return t.accCancelled
    case 'too-many': return t.accMany
    default: return t.accUnknown(message || code)
  }
}

function LoggedIn(): JSX.Element {
  const app = useApp()
  const leave = async (): Promise<void> => {
    const identity = localStorage.getItem('visavis.identity')
    if (identity !== null) await logOut(identity)
    // The name stays the account's: a guest needs another.
    app.become(null, '')
  }
  return (
    <>
      <p>{app.t().accountOf(app.prefs().account?.name ?? '')}</p>
      <button type="button" class="button small" onClick={() => void leave()}>{app.t().logOut}</button>
    </>
  )
}

function Enter(): JSX.Element {
  const app = useApp()
  const nameId = createUniqueId()
  const passwordId = createUniqueId()
  const [name, setName] = createSignal(app.prefs().name)
  const [password, setPassword] = createSignal('')
  const [failure, setFailure] = createSignal<Failure | null>(null)
  const [busy, setBusy] = createSignal(false)
  const attempt = async (ask: () => Promise<Result<Login>>): Promise<void> => {
    setFailure(null)
    setBusy(true)
    const result = await ask()
    setBusy(false)
    if (result.ok) app.become(result.value.identity, result.value.person.name)
    else setFailure(result.failure)
  }
  const submit = (event: SubmitEvent): void => {
    event.preventDefault()
    const signUp = event.submitter?.getAttribute('value') === 'sign-up'
    void attempt(() => (signUp ? register : logIn)(name().trim(), password()))
  }
  return (
    <form class="account-form" onSubmit={submit}>
      <p class="quiet">{app.t().accountText}</p>
      <div class="field">
        <label for={nameId}>{app.t().accName}</label>
        <input id={nameId} type="text" autocomplete="username webauthn" maxlength="64" required value={name()} onInput={event => setName(event.currentTarget.value)} />
      </div>
      <Show when={app.features.passkeys}>
        <p class="quiet">{app.t().passkeyText}</p>
        <div class="button-row">
          <button type="button" class="button small primary" disabled={busy()} onClick={() => void attempt(() => registerPasskey(name().trim()))}><Icon name="shield" /><span>{`${app.t().signUp}: ${app.t().passkey}`}</span></button>
          <button type="button" class="button small" disabled={busy()} onClick={() => void attempt(() => logInPasskey())}><span>{`${app.t().logIn}: ${app.t().passkey}`}</span></button>
        </div>
      </Show>
      <div class="field">
        <label for={passwordId}>{app.t().password}</label>
        <input id={passwordId} type="password" autocomplete="current-password" minlength="8" maxlength="256" required placeholder={app.t().passwordHint} value={password()} onInput={event => setPassword(event.currentTarget.value)} />
      </div>
      <div class="button-row">
        <button type="submit" class="button small" disabled={busy()}>{app.t().logIn}</button>
        <button type="submit" value="sign-up" class="button small" disabled={busy()}>{app.t().signUp}</button>
      </div>
      <p class="error" aria-live="assertive">{failure() ? failureText(app.t(), failure() ?? { code: '', message: '' }) : ''}</p>
    </form>
  )
}

export function AccountSection(): JSX.Element {
  const app = useApp()
  return (
    <section>
      <h3>{app.t().account}</h3>
      <Show when={app.prefs().account} fallback={<Enter />}><LoggedIn /></Show>
    </section>
  )
}
