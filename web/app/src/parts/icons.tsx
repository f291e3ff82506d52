/** Icons, drawn for Visavis on a grid of 24: round ends, one weight. */
import type { JSX } from 'solid-js'

const paths = {
  record: 'M12 4a8 8 0 1 1 0 16 8 8 0 0 1 0-16ZM12 9a3 3 0 1 1 0 6 3 3 0 0 1 0-6Z',
  play: 'M5 4.5h14a2 2 0 0 1 2 2v11a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2v-11a2 2 0 0 1 2-2ZM10 9l5 3-5 3Z',
  trash: 'M4.5 6.5h15M9.5 6.5v-2h5v2M6.5 6.5l1 13h9l1-13M10 10.5v5.5M14 10.5v5.5',
  mic: 'M12 3.5a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0v-5a3 3 0 0 1 3-3ZM5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3M9 21h6',
  micOff: 'M9 9v2.5a3 3 0 0 0 4.6 2.5M15 11V6.5a3 3 0 0 0-5.8-1M5.5 11.5a6.5 6.5 0 0 0 10 5.5M18.5 11.5c0 1-.2 1.9-.6 2.8M12 18v3M9 21h6M4 4l16 16',
  camera: 'M5.5 6.5h7a2.5 2.5 0 0 1 2.5 2.5v6a2.5 2.5 0 0 1-2.5 2.5h-7A2.5 2.5 0 0 1 3 15V9a2.5 2.5 0 0 1 2.5-2.5ZM15 11l4.3-3.1a1 1 0 0 1 1.7.8v6.6a1 1 0 0 1-1.7.8L15 13',
  cameraOff: 'M10 6.5h2.5A2.5 2.5 0 0 1 15 9v2l4.3-3.1a1 1 0 0 1 1.7.8v6.6M15 15a2.5 2.5 0 0 1-2.5 2.5h-7A2.5 2.5 0 0 1 3 15V9c0-1 .6-1.9 1.5-2.3M4 4l16 16',
  screen: 'M5 4.5h14a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2v-8a2 2 0 0 1 2-2ZM9 20.5h6M12 13.5v-6M9.3 10 12 7.3l2.7 2.7',
  chat: 'M6.5 4.5h11A3.5 3.5 0 0 1 21 8v6a3.5 3.5 0 0 1-3.5 3.5H12l-4.5 3.5v-3.5h-1A3.5 3.5 0 0 1 3 14V8a3.5 3.5 0 0 1 3.5-3.5ZM8 9.5h8M8 13h5',
  file: 'M20 11.5l-7.8 7.8a5 5 0 0 1-7-7l8-8a3.3 3.3 0 0 1 4.7 4.7l-8 8a1.6 1.6 0 0 1-2.3-2.3l7-7',
  more: 'M5.5 12h.01M12 12h.01M18.5 12h.01',
  settings: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 4.8a2.2 2.2 0 1 1 0 4.4 2.2 2.2 0 0 1 0-4.4ZM9 14.8a2.2 2.2 0 1 1 0 4.4 2.2 2.2 0 0 1 0-4.4Z',
  info: 'M4 17v2M9.3 13v6M14.7 9v10M20 5v14',
  phone: 'M6.2 3.5h2.3a1.5 1.5 0 0 1 1.5 1.2l.7 3a1.5 1.5 0 0 1-.6 1.6l-1.5 1.1a12 12 0 0 0 5 5l1.1-1.5a1.5 1.5 0 0 1 1.6-.6l3 .7a1.5 1.5 0 0 1 1.2 1.5v2.3a2 2 0 0 1-2.2 2A16.5 16.5 0 0 1 4.2 5.7a2 2 0 0 1 2-2.2Z',
  hangUp: 'M3.3 14.9l.7 1.8a1.5 1.5 0 0 0 1.7.9l2.5-.6a1.5 1.5 0 0 0 1.1-1.3l.2-1.9a11 11 0 0 1 5 0l.2 1.9a1.5 1.5 0 0 0 1.1 1.3l2.5.6a1.5 1.5 0 0 0 1.7-.9l.7-1.8a2 2 0 0 0-.6-2.3 13.2 13.2 0 0 0-16.2 0 2 2 0 0 0-.6 2.3Z',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  checks: 'M2.5 12.5 7 17l9-9.5M12 16.5l.6.5L21.5 7.5',
  close: 'M6.5 6.5l11 11M17.5 6.5l-11 11',
  link: 'M10 14a4 4 0 0 0 5.7 0l3.6-3.6a4 4 0 0 0-5.7-5.7L12.3 6M14 10a4 4 0 0 0-5.7 0l-3.6 3.6a4 4 0 0 0 5.7 5.7l1.3-1.3',
  sun: 'M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8ZM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4',
  moon: 'M20 14.2A8.3 8.3 0 0 1 9.8 4a8.3 8.3 0 1 0 10.2 10.2Z',
  keyboard: 'M5 6.5h14a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2v-7a2 2 0 0 1 2-2ZM7 10.5h.01M10.3 10.5h.01M13.7 10.5h.01M17 10.5h.01M8 14h8',
  expand: 'M4 9V6a2 2 0 0 1 2-2h3M15 4h3a2 2 0 0 1 2 2v3M20 15v3a2 2 0 0 1-2 2h-3M9 20H6a2 2 0 0 1-2-2v-3',
  picture: 'M19 11V7.5a2 2 0 0 0-2-2H5a2 2 0 0 0-2 2v8a2 2 0 0 0 2 2h5M14.5 14h5a1.5 1.5 0 0 1 1.5 1.5v3a1.5 1.5 0 0 1-1.5 1.5h-5a1.5 1.5 0 0 1-1.5-1.5v-3a1.5 1.5 0 0 1 1.5-1.5Z',
  fit: 'M3 8.5v7M21 8.5v7M8 6.5h8a1.5 1.5 0 0 1 1.5 1.5v8a1.5 1.5 0 0 1-1.5 1.5H8A1.5 1.5 0 0 1 6.5 16V8A1.5 1.5 0 0 1 8 6.5Z',
  person: 'M12 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8ZM4.5 20a7.5 7.5 0 0 1 15 0',
  shield: 'M12 3.5l7 2.5v5.5c0 4.2-2.9 7.4-7 9-4.1-1.6-7-4.8-7-9V6l7-2.5ZM9 12l2.2 2.2L15.2 10',
  lock: 'M7.5 11h9a2 2 0 0 1 2 2v5.5a2 2 0 0 1-2 2h-9a2 2 0 0 1-2-2V13a2 2 0 0 1 2-2ZM8 11V7.5a4 4 0 0 1 8 0V11M12 15v1.5',
  download: 'M12 4v11M7.5 11l4.5 4.5 4.5-4.5M5 20h14',
  send: 'M12 19.5v-15M5.5 11 12 4.5l6.5 6.5',
  groups: 'M5 4.5h4a1 1 0 0 1 1 1v4a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1v-4a1 1 0 0 1 1-1ZM15 4.5h4a1 1 0 0 1 1 1v4a1 1 0 0 1-1 1h-4a1 1 0 0 1-1-1v-4a1 1 0 0 1 1-1ZM10 14.5h4a1 1 0 0 1 1 1v3a1 1 0 0 1-1 1h-4a1 1 0 0 1-1-1v-3a1 1 0 0 1 1-1Z',
  people: 'M9 5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7ZM2.5 19.5a6.5 6.5 0 0 1 13 0M15.5 5.3a3.5 3.5 0 0 1 0 6.4M18 14.3a6.5 6.5 0 0 1 3.5 5.2',
  warning: 'M12 4l9 15.5H3L12 4ZM12 10v4.5M12 17h.01',
  speaker: 'M4 9.5h3.5L12 5.5v13l-4.5-4H4v-5ZM15.5 9a4.5 4.5 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11',
  back: 'M19 12H5M11 6l-6 6 6 6',
  hand: 'M8 12V6.2a1.4 1.4 0 0 1 2.8 0V11M10.8 10.5V4.6a1.4 1.4 0 0 1 2.8 0v5.9M13.6 10.8V5.8a1.4 1.4 0 0 1 2.8 0v6.4M16.4 12V8.4a1.4 1.4 0 0 1 2.8 0v5.4c0 4-2.6 6.9-6.4 6.9-3 0-4.6-1.3-6-3.8L4.6 13a1.4 1.4 0 0 1 2.3-1.6L8 12.8',
  smile: 'M12 3.5a8.5 8.5 0 1 1 0 17 8.5 8.5 0 0 1 0-17ZM8.5 14a4 4 0 0 0 7 0M9 9.5h.01M15 9.5h.01',
  layout: 'M5 5h14a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2ZM15.5 5v14M15.5 12H21',
  pin: 'M9 3.5h6l-.8 6.2 3.3 3.3v1.5h-11V13l3.3-3.3L9 3.5ZM12 14.5v6',
  repeat: 'M4.5 12a7.5 7.5 0 0 1 13-5.1L20 9.5M20 4.5v5h-5M19.5 12a7.5 7.5 0 0 1-13 5.1L4 14.5M4 19.5v-5h5',
} as const

export type IconName = keyof typeof paths

const filled: ReadonlySet<IconName> = new Set(['hangUp'])
const heavy: ReadonlySet<IconName> = new Set(['more'])

/** One icon. It is decoration: what it means stands in the text beside it. */
export function Icon(props: { readonly name: IconName }): JSX.Element {
  return (
    <svg
      class="icon" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true"
      fill={filled.has(props.name) ? 'currentColor' : 'none'} stroke="currentColor"
      stroke-width={heavy.has(props.name) ? 3 : 1.8} stroke-linecap="round" stroke-linejoin="round"
    >
      <path d={paths[props.name]} />
    </svg>
  )
}

/** The mark: two faces turned to each other, and between them a V. */
export function Mark(): JSX.Element {
  return (
    <svg class="mark" viewBox="0 0 32 32" width="32" height="32" aria-hidden="true">
      <path class="mark-left" d="M2 4.5a1.5 1.5 0 0 1 1.5-1.5A12 13 0 0 1 15.5 16 12 13 0 0 1 3.5 29 1.5 1.5 0 0 1 2 27.5Z" />
      <path class="mark-right" d="M30 4.5a1.5 1.5 0 0 0-1.5-1.5A12 13 0 0 0 16.5 16 12 13 0 0 0 28.5 29a1.5 1.5 0 0 0 1.5-1.5Z" />
    </svg>
  )
}
