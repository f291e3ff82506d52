/** One person in a room, or one screen: the picture, the name, and how they are. */
import type { RoomCall, Trust } from '@visavis/client/model.js'
import type { View } from '@visavis/client/protocol.js'
import { For, Show, type JSX } from 'solid-js'
import { useApp } from '../state/app.js'
import type { Figure, Place } from '../state/stage.js'
import { ActionButton, Avatar, Video } from './basics.jsx'
import { Icon } from './icons.jsx'

function Name(props: { readonly figure: Figure, readonly quality: 'fair' | 'poor' | null }): JSX.Element {
  const app = useApp()
  const silent = (): boolean => props.figure.source === 'camera' && !props.figure.member.sending.microphone
  const name = (): string => {
    const { member, source, mine } = props.figure
    return source === 'screen' ? app.t().remoteScreen(member.person.name) : mine ? app.t().you : member.person.name
  }
  return (
    <p class="seat-name">
      <Show when={silent()}><Icon name="micOff" /><span class="sr-only">{app.t().muted}</span></Show>
      <Show when={props.figure.source === 'screen'}><Icon name="screen" /></Show>
      <Show when={props.quality}>
        {verdict => <span class="seat-quality" data-verdict={verdict()}><i /><i /><i /><span class="sr-only">{verdict() === 'fair' ? app.t().theirsFair : app.t().theirsPoor}</span></span>}
      </Show>
      <span>{name()}</span>
    </p>
  )
}

export function Seat(props: { readonly figure: Figure, readonly place: Place, readonly room: RoomCall }): JSX.Element {
  const app = useApp()
  const member = (): Figure['member'] => props.figure.member
  const camera = (): boolean => props.figure.source === 'camera'
  const stream = (): MediaStream | null => props.figure.mine ? app.streams().local : app.streams().pictures.get(props.figure.key) ?? null
  const sends = (): boolean => props.figure.mine ? app.model().camera.kind === 'on' : member().sending[props.figure.source]
  const speaks = (): boolean => camera() && props.room.speaking.includes(member().number)
  const away = (): boolean => !props.figure.mine && !member().connected && props.room.path === 'connected'
  const isThis = (view: View | null | undefined): boolean => view?.member === member().number && view.source === props.figure.source
  const dark = (): boolean => props.room.unplayable.some(slot => isThis(props.room.shown[slot]))
  /** Why a picture is not what it could be, in plain words; null if there is nothing to say. */
  const slow = (): string | null => {
    if (!sends() || away()) return null
    if (props.figure.mine) return camera() && props.room.uploadWeak ? app.t().uploadWeak : null
    return Object.values(props.room.paused).some(isThis) ? app.t().pausedPicture : null
  }
  /** Why there is no picture of somebody in an encrypted room; null if there is no such reason. */
  const undeciphered = (): Trust | null => {
    const trust = props.room.encryption?.trust[member().number]
    return trust && trust !== 'verified' && !props.figure.mine && !away() && member().sending[props.figure.source] ? trust : null
  }
  /** How bad their network is; nothing as long as it is good. */
  const poorly = (): 'fair' | 'poor' | null => {
    const verdict = camera() && !props.figure.mine ? props.room.qualities[member().number] : undefined
    return verdict === 'fair' || verdict === 'poor' ? verdict : null
  }
  const pinned = (): boolean => app.ui().pinned === props.figure.key
  const who = (): string => camera() ? (props.figure.mine ? 'me' : member().person.id) : ''
  const label = (): string => camera() ? (props.figure.mine ? app.t().you : member().person.name) : app.t().remoteScreen(member().person.name)
  const reactions = (): readonly { readonly id: number, readonly reaction: string }[] => camera() ? props.room.reactions.filter(one => one.member === member().number) : []
  return (
    <li
      class="seat" data-source={props.figure.source}
      classList={{ speaking: speaks(), large: props.place.large, away: away(), tiny: props.place.height < 100 }}
      style={{ width: `${props.place.width}px`, height: `${props.place.height}px`, translate: `${props.place.x}px ${props.place.y}px` }}
    >
      <Show when={camera()}><div class="seat-face"><Avatar name={member().person.name} size="large" /></div></Show>
      <Video stream={sends() ? stream() : null} label={label()} who={who()} mirror={props.figure.mine} class={sends() && stream() !== null ? '' : 'dark'} />
      <Show when={undeciphered()}>{trust => <p class="seat-away seat-trust"><Icon name={trust() === 'failed' ? 'warning' : 'lock'} /><span>{trust() === 'failed' ? app.t().trustFailed : app.t().trustWaiting}</span></p>}</Show>
      <Show when={away()}><p class="seat-away"><span class="spinner" />{app.t().comesBack}</p></Show>
      <Show when={!props.figure.mine && sends() && dark()}><p class="seat-away">{app.t().unplayable}</p></Show>
      <Show when={slow()}>{text => <p class="seat-slow"><Icon name="warning" /><span>{text()}</span></p>}</Show>
      <Show when={camera() && member().hand}>
        <span class="seat-hand"><Icon name="hand" /><span class="sr-only">{app.t().handUp(label())}</span></span>
      </Show>
      <Name figure={props.figure} quality={poorly()} />
      <div class="seat-reactions" aria-hidden="true"><For each={reactions()}>{one => <span>{one.reaction}</span>}</For></div>
      <ActionButton
        icon="pin" iconOnly class="seat-pin" label={props.figure.mine ? app.t().pinSelf : app.t().pin(label())} pressed={pinned()}
        onClick={() => app.setUi({ pinned: pinned() ? null : props.figure.key })}
      />
    </li>
  )
}
