/** Files dropped anywhere on a call are offered. */
import { createSignal } from 'solid-js'
import type { App } from '../state/app.js'
import { receiver } from '../state/create.js'

interface Drop {
  /** Whether files are held over it. */
  readonly over: () => boolean
  readonly handlers: { onDragEnter: (e: DragEvent) => void, onDragOver: (e: DragEvent) => void, onDragLeave: () => void, onDrop: (e: DragEvent) => void }
}

export function createDrop(app: App): Drop {
  const [depth, setDepth] = createSignal(0)
  const files = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false
  return {
    over: () => depth() > 0,
    handlers: {
      onDragEnter: event => { if (files(event)) { event.preventDefault(); setDepth(depth() + 1) } },
      onDragOver: event => { if (files(event)) event.preventDefault() },
      onDragLeave: () => setDepth(Math.max(0, depth() - 1)),
      onDrop: event => {
        setDepth(0)
        if (!event.dataTransfer?.files.length) return
        event.preventDefault()
        app.commands.sendFiles([...event.dataTransfer.files], receiver(app))
        app.setUi({ panel: 'chat' })
      },
    },
  }
}
