/** The recordings that are ours: to play, to save, to delete. */
import { createResource, createSignal, For, onCleanup, Show, type JSX } from 'solid-js'
import { deleteRecording, listRecordings, type RecordedFile, type RecordingEntry } from '../recordings.js'
import { useApp } from '../state/app.js'

/** How long a question stands before it is taken back, in milliseconds. */
const doubt = 4000

const identity = (): string => localStorage.getItem('visavis.identity') ?? ''

function length(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000)
  const two = (n: number): string => String(n).padStart(2, '0')
  return seconds < 3600 ? `${Math.floor(seconds / 60)}:${two(seconds % 60)}` : `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

function FileRow(props: { readonly file: RecordedFile }): JSX.Element {
  const app = useApp()
  const [playing, setPlaying] = createSignal(false)
  const name = (): string => (props.file.shows === 'screen' ? app.t().itsScreen(props.file.person) : props.file.person)
  return (
    <div>
      <div class="recording-file">
        <span><span class="person-name">{name()}</span> <span class="meta">{length(props.file.duration)} · {megabytes(props.file.bytes)}</span></span>
        <span class="button-row">
          <button type="button" class="button small" aria-pressed={playing()} aria-label={`${app.t().play}: ${name()}`} onClick={() => setPlaying(!playing())}>{app.t().play}</button>
          <a class="button small" href={`${props.file.link}&save=1`} download={props.file.name} aria-label={`${app.t().saveIt}: ${name()}`}>{app.t().saveIt}</a>
        </span>
      </div>
      <Show when={playing()}><video src={props.file.link} controls autoplay preload="metadata" aria-label={name()} /></Show>
    </div>
  )
}

function Entry(props: { readonly entry: RecordingEntry, readonly onDelete: () => void }): JSX.Element {
  const app = useApp()
  const [asked, setAsked] = createSignal(false)
  let timer: ReturnType<typeof setTimeout> | undefined
  onCleanup(() => clearTimeout(timer))
  const press = (): void => {
    clearTimeout(timer)
    if (asked()) props.onDelete()
    else timer = setTimeout(() => setAsked(false), doubt)
    setAsked(!asked())
  }
  const begun = (): string => new Date(props.entry.begun).toLocaleString(document.documentElement.lang || undefined, { dateStyle: 'medium', timeStyle: 'short' })
  /** What is worth saying: nothing of a recording that ended as it should. */
  const state = (): string | undefined => props.entry.state === 'finished' ? undefined : app.t().recordingState[props.entry.state]
  return (
    <li>
      <div class="recording-file">
        <strong>{props.entry.room}</strong>
        <span class="meta">{begun()} · {length(props.entry.duration)}<Show when={state()}>{said => ` · ${said()}`}</Show></span>
      </div>
      <Show when={props.entry.problem}>{problem => <p class="error">{problem()}</p>}</Show>
      <For each={props.entry.files}>{file => <FileRow file={file} />}</For>
      <div class="button-row">
        <a class="button small" href={`${props.entry.timeline}&save=1`} download="timeline.json">{app.t().saveTimeline}</a>
        <Show when={props.entry.state !== 'recording'}>
          <button type="button" class="button small" classList={{ stop: asked() }} onClick={press}><span aria-live="polite">{asked() ? app.t().deleteSure : app.t().deleteIt}</span></button>
        </Show>
      </div>
    </li>
  )
}

export function RecordingList(): JSX.Element {
  const app = useApp()
  const [entries, { refetch }] = createResource(() => listRecordings(identity()))
  const remove = async (id: string): Promise<void> => { await deleteRecording(identity(), id); await refetch() }
  return (
    <section>
      <p class="quiet">{app.t().recordingsText}</p>
      <Show when={!entries.loading} fallback={<p class="quiet" role="status">…</p>}>
        <Show when={entries()} fallback={<p class="error" role="alert">{app.t().recordingsFailed}</p>}>
          {list => (
            <Show when={list().length > 0} fallback={<p class="quiet">{app.t().noRecordings}</p>}>
              <ul class="recordings"><For each={list()}>{entry => <Entry entry={entry} onDelete={() => void remove(entry.id)} />}</For></ul>
            </Show>
          )}
        </Show>
      </Show>
    </section>
  )
}
