/** Where the bytes of a received file go: memory that the browser may move to disk, or a file the person chose. */

export interface FileSink {
  write(block: Uint8Array<ArrayBuffer>): Promise<void>
  /** All was written; the URL where the file can be had, null if it is on disk already. */
  close(): Promise<string | null>
  /** Not all came: leaves nothing behind. */
  abort(): void
}

export interface OfferedFile { readonly name: string; readonly size: number; readonly mime: string }

/** Makes the place for a file, or null if the person thought better of it. */
export type OpenSink = (file: OfferedFile) => Promise<FileSink | null>

/** From this size on a file goes to disk where the browser can, because it would fill the memory. Bytes. */
const PICKER_FROM = 64 << 20

/** showSaveFilePicker (File System Access), which the DOM types do not know yet; Chromium has it. */
interface SavePicker {
  showSaveFilePicker?(options: { suggestedName: string }): Promise<FileSystemFileHandle>
}

/** Large files to disk where that is possible, others to memory. To be called from the person's click. */
export const openSink: OpenSink = async (file) => {
  const { showSaveFilePicker } = globalThis as SavePicker
  if (file.size < PICKER_FROM || showSaveFilePicker === undefined) return blobSink(file.mime)
  try {
    const handle = await showSaveFilePicker({ suggestedName: file.name })
    return diskSink(await handle.createWritable())
  } catch (error) {
    return error instanceof DOMException && error.name === 'AbortError' ? null : blobSink(file.mime)
  }
}

/** Collects a Blob. Its parts are Blobs themselves, which browsers keep on disk when there are many. */
export function blobSink(mime: string): FileSink {
  let parts: Blob[] = []
  return {
    write: async (block) => void parts.push(new Blob([block])),
    close: async () => URL.createObjectURL(new Blob(parts, { type: harmless(mime) })),
    abort: () => { parts = [] },
  }
}

/** Writes to a file that the person chose; it appears there only when it is complete. */
export function diskSink(writable: FileSystemWritableFileStream): FileSink {
  return {
    write: (block) => writable.write(block),
    close: async () => {
      await writable.close()
      return null
    },
    abort: () => void writable.abort().catch(() => {}),
  }
}

/** A blob URL has our origin: only types that run no scripts keep their name. */
function harmless(mime: string): string {
  return /^(image\/(png|jpeg|gif|webp|avif)|(audio|video)\/[a-z0-9.+-]+|text\/plain)$/.test(mime) ? mime : 'application/octet-stream'
}

const WINDOWS_DEVICES = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)/i

/**
 * A name that is safe to show and to save under on every system: one path element, no control or direction marks
 * (which could make `exe.jpg` out of `gpj.exe`), not hidden, not a device, at most 200 characters.
 */
export function safeName(name: string): string {
  const element = name.split(/[/\\]/).at(-1) ?? ''
  const clean = element
    .replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, '')
    .replace(/[<>:"|?*]/g, '_')
    .replace(/^[. ]+|[. ]+$/g, '')
  const short = shorten(clean, 200)
  if (short === '') return 'file'
  return WINDOWS_DEVICES.test(short) ? `_${short}` : short
}

/** Keeps the extension. */
function shorten(name: string, most: number): string {
  const characters = [...name]
  if (characters.length <= most) return name
  const dot = characters.lastIndexOf('.')
  const extension = dot > characters.length - 20 && dot > 0 ? characters.slice(dot) : []
  return [...characters.slice(0, most - extension.length), ...extension].join('')
}
