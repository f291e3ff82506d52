/** Messages and files, straight between the two. */
import type { ChatMessage, FileTransfer, RoomCall } from '@visavis/client/model.js'
import { createEffect, createMemo, createSignal, For, Index, on, onCleanup, onMount, Show, type JSX } from 'solid-js'
import { commands, situation } from '../commands.js'
import { duration, hue, rate, size, timeLeft, timeOfDay } from '../format.js'
import type { Dictionary } from '../i18n/index.js'
import { pieces } from '../links.js'
import { useApp, type Talk } from '../state/app.js'
import { ActionButton } from './basics.jsx'
import { Icon } from './icons.jsx'
import { Panel } from './panel.jsx'

function Message(props: { readonly message: ChatMessage, readonly named: boolean }): JSX.Element {
  const app = useApp()
  return (
    <li class="message" classList={{ mine: props.message.mine }}>
      <Show when={props.named}><strong class="message-from" style={{ '--hue': String(hue(props.message.from)) }}>{props.message.from}</strong></Show>
      <p>
        <For each={pieces(props.message.text)}>
          {piece => piece.kind === 'text' ? piece.text : <a href={piece.href} target="_blank" rel="noopener noreferrer nofollow">{piece.text}</a>}
        </For>
      </p>
      <span class="meta">
        {timeOfDay(app.lang(), props.message.at)}
        <Show when={props.message.mine}>
          <span class="tick" classList={{ delivered: props.message.delivered }}>
            <Icon name={props.message.delivered ? 'checks' : 'check'} />
            <span class="sr-only">{props.message.delivered ? app.t().delivered : app.t().sending}</span>
          </span>
        </Show>
      </span>
    </li>
  )
}

/** How it stands with a file of ours that goes to several. */
function takersState(t: Dictionary, lang: string, { size: bytes, takers }: FileTransfer): string | null {
  if (!takers || takers.running + takers.done === 0) return null
  return [size(lang, bytes), takers.running > 0 ? t.fsTaking(takers.running) : '', takers.done > 0 ? t.fsTaken(takers.done) : ''].filter(text => text !== '').join(' · ')
}

function fileState(t: Dictionary, lang: string, file: FileTransfer): string {
  const takers = file.state === 'cancelled' ? null : takersState(t, lang, file)
  if (takers !== null) return takers
  switch (file.state) {
    case 'offered': return file.mine ? t.fsOffered : size(lang, file.size)
    case 'running': {
      const left = timeLeft(file.size, file.done, file.rate)
      const moving = `${size(lang, file.done)} / ${size(lang, file.size)} · ${rate(lang, file.rate)}`
      return left === null ? moving : `${moving} · ${t.timeLeft(duration(lang, left))}`
    }
    case 'paused': return t.fsPaused
    case 'done': return `${size(lang, file.size)} · ${t.fsDone}`
    case 'refused': return t.fsRefused
    case 'cancelled': return t.fsCancelled
    case 'failed': return t.fsFailed
  }
}

function FileButtons(props: { readonly file: FileTransfer }): JSX.Element {
  const app = useApp()
  const { commands: client } = app
  const waiting = (): boolean => props.file.state === 'offered' && !props.file.mine
  const moving = (): boolean => props.file.state === 'running' || (props.file.takers !== undefined && props.file.state === 'done') || props.file.state === 'paused' || (props.file.state === 'offered' && props.file.mine)
  return (
    <div class="file-buttons">
      <Show when={waiting()}>
        <button type="button" class="button small primary" onClick={() => client.takeFile(props.file.id)}>{app.t().take}</button>
        <button type="button" class="button small" onClick={() => client.refuseFile(props.file.id)}>{app.t().refuse}</button>
      </Show>
      <Show when={moving()}>
        <button type="button" class="button small" onClick={() => client.cancelFile(props.file.id)}>{props.file.takers ? app.t().withdraw : app.t().cancel}</button>
      </Show>
      <Show when={props.file.state === 'done' && props.file.url}>
        {url => <a class="button small primary" href={url()} download={props.file.name}><Icon name="download" /><span>{app.t().save}</span></a>}
      </Show>
    </div>
  )
}

function FileRow(props: { readonly file: FileTransfer }): JSX.Element {
  const app = useApp()
  return (
    <li class="file" data-state={props.file.state}>
      <span class="file-icon"><Icon name="file" /></span>
      <div class="file-text">
        <strong>{props.file.name}</strong>
        <Show when={props.file.from}>{from => <span class="meta">{app.t().offeredBy(from())}</span>}</Show>
        <span class="meta">{fileState(app.t(), app.lang(), props.file)}</span>
        <Show when={props.file.state === 'running' || props.file.state === 'paused'}>
          <progress max={props.file.size} value={props.file.done} aria-label={app.t().progress(props.file.name)} />
        </Show>
      </div>
      <FileButtons file={props.file} />
    </li>
  )
}

/** For whom files are that one sends in a room. */
function FilesTo(): JSX.Element {
  const app = useApp()
  const others = (): RoomCall['members'] => { const { call } = app.model(); return call.kind === 'room' ? call.members.filter(member => member.number !== call.you && member.kind !== 'encoder') : [] }
  return (
    <Show when={others().length > 1}>
      <label class="files-to"><span>{app.t().filesTo}</span>
        <select onChange={event => app.setUi({ filesTo: Number(event.currentTarget.value) || null })}>
          <option value="0" selected={app.ui().filesTo === null}>{app.t().everybody}</option>
          <For each={others()}>{member => <option value={member.number} selected={app.ui().filesTo === member.number}>{member.person.name}</option>}</For>
        </select>
      </label>
    </Show>
  )
}

function Composer(): JSX.Element {
  const app = useApp()
  let field!: HTMLTextAreaElement
  const fit = (): void => { field.style.height = 'auto'; field.style.height = `${Math.min(field.scrollHeight + 2, 140)}px` }
  const submit = (event: Event): void => {
    event.preventDefault()
    const text = field.value.trim()
    if (text !== '') app.commands.say(text)
    field.value = ''
    fit()
    field.focus()
  }
  onMount(() => { if (matchMedia('(pointer: fine)').matches) field.focus({ preventScroll: true }) })
  return (
    <form class="composer" onSubmit={submit}>
      <Show when={commands.file.available(situation(app))}>
        <button type="button" class="icon-button" aria-hidden="true" tabindex="-1" title={app.t().sendFile} onClick={() => commands.file.run(app)}><Icon name="file" /></button>
      </Show>
      <textarea
        ref={field} rows="1" aria-label={app.t().message} placeholder={app.t().message} maxlength="8000" enterkeyhint="send" onInput={fit}
        onKeyDown={event => { if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) submit(event) }}
      />
      <button type="submit" class="icon-button send" aria-label={app.t().send} title={app.t().send}><Icon name="send" /></button>
    </form>
  )
}

export function ChatPanel(props: { readonly call: Talk }): JSX.Element {
  const app = useApp()
  let scroller!: HTMLDivElement
  // What is in view has been read; the newest stays in view.
  createEffect(on(createMemo(() => props.call.messages.length + props.call.files.length), () => {
    app.setUi({ unread: 0 })
    queueMicrotask(() => scroller.scrollTo({ top: scroller.scrollHeight }))
  }))
  onCleanup(() => app.setUi({ unread: 0 }))
  const many = (): boolean => props.call.kind === 'room'
  /** The name stands above the first of a row of messages of the same person. */
  const named = (message: ChatMessage, index: number): boolean => many() && !message.mine && props.call.messages[index - 1]?.from !== message.from
  const empty = (): boolean => props.call.messages.length === 0 && props.call.files.length === 0
  return (
    <Panel title={app.t().chat} class="chat" focus={!matchMedia('(pointer: fine)').matches}>
      <div class="chat-scroll" ref={scroller} tabindex="0" role="log" aria-label={app.t().chat}>
        <Show when={empty()}><p class="empty">{many() ? app.t().chatEmptyRoom : app.t().chatEmpty}</p></Show>
        <ul class="messages"><Index each={props.call.messages}>{(message, index) => <Message message={message()} named={named(message(), index)} />}</Index></ul>
        <ul class="files"><Index each={props.call.files}>{file => <FileRow file={file()} />}</Index></ul>
      </div>
      <Show when={many()}><FilesTo /></Show>
      <Composer />
    </Panel>
  )
}

/** A file that is offered while the chat is closed. */
export function FileToast(props: { readonly call: Talk }): JSX.Element {
  const app = useApp()
  const offered = (): FileTransfer | undefined => props.call.files.find(file => !file.mine && file.state === 'offered')
  const sender = (file: FileTransfer): string => props.call.kind === 'running' ? props.call.peer.name : file.from ?? ''
  const [closed, setClosed] = createSignal<ReadonlySet<string>>(new Set())
  const moving = (): FileTransfer | undefined =>
    props.call.files.findLast(file => !closed().has(file.id) && (file.state === 'running' || (!file.mine && file.state === 'done')))
  return (
    <div class="toast-place">
      <Show when={offered()}>
        {file => (
          <div class="toast" role="group" aria-label={app.t().fileOffer(sender(file()))}>
            <p>{app.t().fileOffer(sender(file()))}</p>
            <ul class="files"><FileRow file={file()} /></ul>
          </div>
        )}
      </Show>
      <Show when={!offered() && moving()}>
        {file => (
          <div class="toast slim">
            <ul class="files"><FileRow file={file()} /></ul>
            <ActionButton icon="close" label={app.t().close} iconOnly class="icon-button toast-close" onClick={() => setClosed(new Set([...closed(), file().id]))} />
          </div>
        )}
      </Show>
    </div>
  )
}
