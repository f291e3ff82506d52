/** You, before a call: your picture, how loud you are, and in plain words what is missing. */
import { Match, Show, Switch, type JSX } from 'solid-js'
import { commands } from '../commands.js'
import { useApp } from '../state/app.js'
import { captureProblem } from '../state/words.js'
import { ActionButton, Avatar, CommandButton, LevelMeter, Video } from './basics.jsx'
import { DeviceChoices } from './devices.jsx'
import { Icon } from './icons.jsx'

function Explanation(): JSX.Element {
  const app = useApp()
  const kinds = (): readonly string[] => [app.model().camera.kind, app.model().microphone.kind]
  const problem = (): ReturnType<typeof captureProblem> =>
    captureProblem(app.t(), app.model().camera, app.model().microphone, navigator.userAgent)
  return (
    <Switch>
      <Match when={kinds().includes('asking')}>
        <div class="explain asking"><Icon name="camera" /><h2>{app.t().asking}</h2><p>{app.t().askingText}</p></div>
      </Match>
      <Match when={problem()}>
        {found => (
          <div class="explain" classList={{ strip: app.model().camera.kind === 'on' }}>
            <Icon name="warning" /><h2>{found().title}</h2><p>{found().text}</p>
            <p class="quiet">{app.t().callAnyway}</p>
            <Show when={!kinds().includes('insecure')}>
              <ActionButton icon="repeat" label={app.t().tryAgain} class="button" onClick={() => void app.actions.openDevices()} />
            </Show>
          </div>
        )}
      </Match>
      <Match when={kinds().every(kind => kind === 'off')}>
        <div class="explain">
          <Icon name="camera" /><h2>{app.t().seeYourself}</h2><p>{app.t().seeYourselfText}</p>
          <ActionButton icon="camera" label={app.t().turnOn} class="button primary" onClick={() => void app.actions.openDevices()} />
        </div>
      </Match>
      <Match when={kinds()[0] === 'off'}>
        <div class="explain bare"><Avatar name={app.prefs().name || '?'} size="large" /><p>{app.t().cameraOff}</p></div>
      </Match>
    </Switch>
  )
}

export function SelfView(): JSX.Element {
  const app = useApp()
  const capturing = (): boolean => app.model().camera.kind === 'on' || app.model().microphone.kind === 'on'
  const tried = (): boolean => capturing() || app.model().camera.kind !== 'off' || app.model().microphone.kind !== 'off'
  return (
    <section class="self" aria-label={app.t().you}>
      <div class="self-frame">
        <Video stream={app.streams().local} label={app.t().you} mirror class={app.model().camera.kind === 'on' ? '' : 'dark'} />
        <Explanation />
        <Show when={capturing()}>
          <div class="self-bar">
            <CommandButton command={commands.mute} />
            <LevelMeter />
            <CommandButton command={commands.camera} />
          </div>
        </Show>
      </div>
      <Show when={tried()}><DeviceChoices /></Show>
    </section>
  )
}
