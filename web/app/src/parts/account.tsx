/** Placeholder until the endpoints are known. */
import type { JSX } from 'solid-js'
export function AccountSection(): JSX.Element { return null }
