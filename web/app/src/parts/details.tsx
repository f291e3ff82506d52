/** How good the call is: in words first, then the numbers, then the code that proves who is there. */
import type { Encryption, Quality, RunningCall } from '@visavis/client/model.js'
import { createEffect, createSignal, For, on, Show, type JSX } from 'solid-js'
import { bitrate, milliseconds, percent } from '../format.js'
import { useApp, type Talk } from '../state/app.js'
import { verdict } from '../state/words.js'
import { RoomSafety } from './encryption.jsx'
import { Icon } from './icons.jsx'
import { Panel } from './panel.jsx'

/** How many measurements the little curves show. */
const kept = 60
const [history, setHistory] = createSignal<readonly Quality[]>([])

/** Remembers the measurements of the running call, so that the curves are there when the panel opens. */
export function recordQuality(quality: () => Quality | null): void {
  createEffect(on(quality, now => setHistory(old => (now === null ? [] : old.at(-1) === now ? old : [...old, now].slice(-kept)))))
}

function Sparkline(props: { readonly of: (quality: Quality) => number, readonly least: number }): JSX.Element {
  const line = (): string => {
    const values = history().map(props.of)
    const top = Math.max(...values.map(value => value * 1.25), props.least)
    const from = kept - values.length
    return values.map((value, i) => `${i === 0 ? 'M' : 'L'}${((from + i) * 100) / (kept - 1)} ${22 - (value / top) * 20}`).join('')
  }
  return <svg class="spark" viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true"><path d={line()} vector-effect="non-scaling-stroke" /></svg>
}

function Row(props: { readonly name: string, readonly value: string, readonly of?: (quality: Quality) => number, readonly least?: number }): JSX.Element {
  return (
    <div class="row">
      <dt>{props.name}</dt>
      <dd>
        <Show when={props.of}>{of => <Sparkline of={of()} least={props.least ?? 1e-9} />}</Show>
        <span>{props.value}</span>
      </dd>
    </div>
  )
}

function Numbers(props: { readonly quality: Quality, readonly room: boolean }): JSX.Element {
  const app = useApp()
  const q = (): Quality => props.quality
  const route = (): string => props.room && q().route === 'direct' ? app.t().forwarded : ({ direct: app.t().direct, relayed: app.t().relayed, unknown: app.t().routeUnknown })[q().route]
  return (
    <dl class="numbers">
      <div class="row wide"><dt>{app.t().path}</dt><dd>{route()}</dd></div>
      <Row name={app.t().protocol} value={q().protocol.replace(/\b(udp|tcp|tls)\b/g, word => word.toUpperCase()) || '–'} />
      <Row name={app.t().received} value={bitrate(app.lang(), q().bitrateIn)} of={one => one.bitrateIn} />
      <Row name={app.t().sent} value={bitrate(app.lang(), q().bitrateOut)} of={one => one.bitrateOut} />
      <Row name={`${app.t().loss} ↓`} value={percent(app.lang(), q().lossIn)} of={one => one.lossIn} least={0.04} />
      <Row name={`${app.t().loss} ↑`} value={percent(app.lang(), q().lossOut)} of={one => one.lossOut} least={0.04} />
      <Row name={app.t().roundTrip} value={q().roundTrip === null ? '–' : milliseconds(app.lang(), q().roundTrip ?? 0)} of={one => one.roundTrip ?? 0} />
      <div class="row wide"><dt>{app.t().resolution}</dt>
        <dd>{q().width > 0 ? `${q().width} × ${q().height} · ${app.t().framesPerSecond(Math.round(q().framesPerSecond))}` : app.t().none}</dd></div>
      <div class="row wide"><dt>{app.t().codecs}</dt><dd>{[q().videoCodec, q().audioCodec].filter(Boolean).join(' · ') || '–'}</dd></div>
    </dl>
  )
}

function Safety(props: { readonly call: RunningCall }): JSX.Element {
  const app = useApp()
  return (
    <section class="safety" aria-labelledby="safety-title">
      <h3 id="safety-title"><Icon name="shield" />{app.t().safety}</h3>
      <Show when={props.call.safetyCode} fallback={<p>{app.t().safetyWait}</p>}>
        {code => (
          <>
            <p class="code" translate="no"><For each={code().split(/\s+/)}>{group => <span>{group}{' '}</span>}</For></p>
            <p>{app.t().safetyText(props.call.peer.name)}</p>
          </>
        )}
      </Show>
    </section>
  )
}

/** Who can see and hear what is sent in a room. */
function RoomPrivacy(props: { readonly call: Talk }): JSX.Element {
  const app = useApp()
  const encryption = (): Encryption | null => (props.call.kind === 'room' ? props.call.encryption : null)
  return (
    <Show when={encryption()} fallback={<section class="safety"><h3><Icon name="shield" />{app.t().privacy}</h3><p>{app.t().roomSafety}</p></section>}>
      {now => <RoomSafety encryption={now()} />}
    </Show>
  )
}

export function DetailsPanel(props: { readonly call: Talk }): JSX.Element {
  const app = useApp()
  const ofTwo = (): RunningCall | null => (props.call.kind === 'running' ? props.call : null)
  return (
    <Panel title={app.t().details} class="details">
      <div class="panel-scroll" tabindex="0" role="region" aria-label={app.t().details}>
        <div class="verdict" data-verdict={props.call.quality.verdict}>
          <i aria-hidden="true" />
          <div><strong>{verdict(app.t(), props.call.quality.verdict)[0]}</strong><p>{verdict(app.t(), props.call.quality.verdict)[1]}</p></div>
        </div>
        <Numbers quality={props.call.quality} room={props.call.kind === 'room'} />
        <Show when={ofTwo()} fallback={<RoomPrivacy call={props.call} />}>{call => <Safety call={call()} />}</Show>
      </div>
    </Panel>
  )
}
