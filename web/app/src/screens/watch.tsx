/** `/watch/ROOM`: shows a room without taking part in it. */
import { watch, type Watching } from '@visavis/client'
import { createSignal, onCleanup, onMount, Show, type JSX } from 'solid-js'
import type { Dictionary } from '../i18n/index.js'
import { whepAddress } from '../route.js'

/** What is said while nothing is to be seen. */
function note(t: Dictionary, state: Watching): string {
  switch (state.kind) {
    case 'playing': return ''
    case 'connecting': return t.comesBack
    case 'waiting': return { empty: t.watchWaits, full: t.watchFull, lost: t.watchFailed }[state.why]
    case 'refused': return { key: t.watchNeedsKey, locked: t.watchLocked }[state.why]
  }
}

export function WatchScreen(props: { readonly room: string, readonly accessKey: string | null, readonly t: Dictionary }): JSX.Element {
  const [state, setState] = createSignal<Watching>({ kind: 'connecting' })
  const [quiet, setQuiet] = createSignal(true)
  let video!: HTMLVideoElement
  onMount(() => {
    const whep = watch(whepAddress(location.origin, props.room), props.accessKey, setState)
    video.srcObject = whep.stream
    const close = (): void => whep.close()
    window.addEventListener('pagehide', close)
    onCleanup(() => { window.removeEventListener('pagehide', close); whep.close() })
  })
  const sound = (): void => {
    video.muted = !video.muted
    setQuiet(video.muted)
    void video.play()
  }
  return (
    <main class="watch">
      <h1 class="sr-only">{props.t.watchTitle}</h1>
      {/* Browsers play without a gesture only what is silent. */}
      <video ref={video} autoplay playsinline muted aria-label={props.t.watchTitle} />
      <p class="watch-note" role="status">{note(props.t, state())}</p>
      <Show when={state().kind === 'playing' && quiet()}>
        <button type="button" class="button primary watch-sound" onClick={sound}>{props.t.watchSound}</button>
      </Show>
    </main>
  )
}
