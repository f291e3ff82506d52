/** A panel beside the call, or over it on a small screen. */
import { onCleanup, onMount, type JSX } from 'solid-js'
import { useApp } from '../state/app.js'
import { ActionButton } from './basics.jsx'

export function Panel(props: { readonly title: string, readonly class?: string, readonly focus?: boolean, readonly children: JSX.Element }): JSX.Element {
  const app = useApp()
  let aside!: HTMLElement
  let title!: HTMLHeadingElement
  const before = document.activeElement
  onMount(() => { if (props.focus ?? true) title.focus({ preventScroll: true }) })
  // Whoever was in the panel goes back to where they came from.
  onCleanup(() => {
    const inside = aside.contains(document.activeElement)
    if (inside && before instanceof HTMLElement) queueMicrotask(() => { if (before.isConnected) before.focus({ preventScroll: true }) })
  })
  return (
    <aside ref={aside} class={`panel ${props.class ?? ''}`} aria-labelledby="panel-title">
      <header>
        <h2 id="panel-title" tabindex="-1" ref={title}>{props.title}</h2>
        <ActionButton icon="close" label={app.t().close} iconOnly class="icon-button" onClick={() => app.setUi({ panel: null })} />
      </header>
      {props.children}
    </aside>
  )
}
