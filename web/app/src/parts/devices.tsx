/** The choice of camera, microphone and speaker. */
import type { Device } from '@visavis/client/model.js'
import { For, Show, type JSX } from 'solid-js'
import { useApp } from '../state/app.js'
import { Icon, type IconName } from './icons.jsx'

function Choice(props: {
  readonly icon: IconName, readonly label: string, readonly devices: readonly Device[], readonly value: string
  readonly onChoose: (id: string) => void
}): JSX.Element {
  const app = useApp()
  const known = (): boolean => props.devices.some(device => device.id === props.value)
  return (
    <label class="choice">
      <Icon name={props.icon} />
      <span class="sr-only">{props.label}</span>
      <select onChange={event => props.onChoose(event.currentTarget.value)}>
        <Show when={!known()}><option value="" selected>{app.t().systemDefault}</option></Show>
        <For each={props.devices}>
          {device => <option value={device.id} selected={device.id === props.value}>{device.label || props.label}</option>}
        </For>
      </select>
    </label>
  )
}

export function DeviceChoices(): JSX.Element {
  const app = useApp()
  const devices = (): ReturnType<typeof app.model>['devices'] => app.model().devices
  const current = (kind: 'camera' | 'microphone'): string => {
    const capture = app.model()[kind]
    return capture.kind === 'on' ? capture.deviceId : app.prefs()[kind]
  }
  return (
    <div class="choices">
      <Show when={devices().cameras.length > 0}>
        <Choice icon="camera" label={app.t().camera} devices={devices().cameras} value={current('camera')}
          onChoose={id => { app.setPrefs({ camera: id }); void app.commands.openCamera(id) }} />
      </Show>
      <Show when={devices().microphones.length > 0}>
        <Choice icon="mic" label={app.t().mic} devices={devices().microphones} value={current('microphone')}
          onChoose={id => { app.setPrefs({ microphone: id }); void app.commands.openMicrophone(id) }} />
      </Show>
      <Show when={app.features.speaker && devices().speakers.length > 0}>
        <Choice icon="speaker" label={app.t().speaker} devices={devices().speakers} value={app.prefs().speaker}
          onChoose={id => { app.setPrefs({ speaker: id }); void app.commands.setSpeaker(id) }} />
      </Show>
    </div>
  )
}
