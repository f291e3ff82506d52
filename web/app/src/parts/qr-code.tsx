/** A link as a QR code, dark on light in both themes, because many readers want it so. */
import { createMemo, Show, type JSX } from 'solid-js'
import { qr } from '../qr.js'

/** One path of runs: far fewer nodes than one square per module. */
function outline(rows: readonly (readonly boolean[])[]): string {
  let path = ''
  rows.forEach((row, y) => {
    for (let x = 0; x < row.length; x += 1) {
      if (!row[x]) continue
      const from = x
      while (row[x + 1]) x += 1
      path += `M${from} ${y}h${x - from + 1}v1H${from}z`
    }
  })
  return path
}

export function QrCode(props: { readonly text: string, readonly label: string }): JSX.Element {
  const rows = createMemo(() => qr(props.text))
  return (
    <Show when={rows()}>
      {found => (
        <svg class="qr" viewBox={`-4 -4 ${found().length + 8} ${found().length + 8}`} role="img" aria-label={props.label} shape-rendering="crispEdges">
          <rect x="-4" y="-4" width="100%" height="100%" />
          <path d={outline(found())} />
        </svg>
      )}
    </Show>
  )
}
