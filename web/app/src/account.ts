/** Accounts over HTTP: `/api/v1/account`, as `docs/accounts.md` describes it. */
import type { Person } from '@visavis/client/protocol.js'

/** What lets somebody in: who they are, and the secret that says so. */
export interface Login { readonly person: Person, readonly identity: string }

/** Why a request was not carried out. */
export type Failure = { readonly code: string, readonly message: string }
export type Result<T> = { readonly ok: true, readonly value: T } | { readonly ok: false, readonly failure: Failure }

/** The part of `fetch` that is used. */
export type Fetch = (path: string, init: RequestInit) => Promise<Response>

async function post<T>(path: string, body: unknown, identity: string | null, request: Fetch): Promise<Result<T>> {
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (identity !== null) headers['authorization'] = `Bearer ${identity}`
  try {
    const response = await request(`/api/v1/account/${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    const text = await response.text()
    const json = (text === '' ? null : JSON.parse(text)) as unknown
    return response.ok ? { ok: true, value: json as T } : { ok: false, failure: failureOf(json) }
  } catch {
    return { ok: false, failure: { code: 'network', message: '' } }
  }
}

function failureOf(json: unknown): Failure {
  const { code, message } = (json ?? {}) as Partial<Record<keyof Failure, unknown>>
  return { code: typeof code === 'string' ? code : 'failed', message: typeof message === 'string' ? message : '' }
}

const browserFetch: Fetch = (path, init) => fetch(path, init)

export function register(name: string, password: string, request = browserFetch): Promise<Result<Login>> {
  return post('register', { name, password }, null, request)
}

export function logIn(name: string, password: string, request = browserFetch): Promise<Result<Login>> {
  return post('login', { name, password }, null, request)
}

export function logOut(identity: string, request = browserFetch): Promise<Result<null>> {
  return post('logout', {}, identity, request)
}

/** The reply of a browser to a ceremony of WebAuthn. */
type Ceremony = { readonly publicKey?: Record<string, unknown> } & Record<string, unknown>

/** Makes an account, whose key is a passkey. */
export async function registerPasskey(name: string, request = browserFetch): Promise<Result<Login>> {
  const start = await post<Ceremony>('passkey/register/start', { name }, null, request)
  if (!start.ok) return start
  return ceremony(start.value, 'passkey/register/finish', request, options =>
    navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options as unknown as PublicKeyCredentialCreationOptionsJSON) }))
}

/** Logs in with a passkey; the browser knows which account it belongs to. */
export async function logInPasskey(request = browserFetch): Promise<Result<Login>> {
  const start = await post<Ceremony>('passkey/login/start', {}, null, request)
  if (!start.ok) return start
  return ceremony(start.value, 'passkey/login/finish', request, options =>
    navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options as unknown as PublicKeyCredentialRequestOptionsJSON) }))
}

async function ceremony(start: Ceremony, finish: string, request: Fetch, ask: (options: Record<string, unknown>) => Promise<Credential | null>): Promise<Result<Login>> {
  let credential: Credential | null
  try {
    credential = await ask(start.publicKey ?? start)
  } catch {
    credential = null
  }
  if (credential === null) return { ok: false, failure: { code: 'cancelled', message: '' } }
  return post(finish, (credential as PublicKeyCredential).toJSON(), null, request)
}
