/** The sounds of the page, made on the spot: no files. Soft sine tones with a second partial, like a small bell. */

/** A tone: when it starts and how long it lasts (seconds), its pitch (hertz) and loudness (0 to 1). */
interface Tone { readonly at: number, readonly length: number, readonly pitch: number, readonly gain: number }

const bell = (at: number, pitch: number, gain = 0.16): Tone => ({ at, length: 1.1, pitch, gain })

/** The tunes. `every` seconds one that rings begins again. */
export const tunes = {
  /** Somebody calls: a rising figure and its answer, one face and the other. */
  ring: { every: 3.2, tones: [bell(0, 523.25), bell(0.16, 659.25), bell(0.32, 783.99), bell(0.8, 783.99), bell(0.96, 659.25), bell(1.12, 880)] },
  /** It rings there: low and far. */
  ringback: { every: 4, tones: [{ at: 0, length: 1.4, pitch: 392, gain: 0.05 }, { at: 0, length: 1.4, pitch: 493.88, gain: 0.04 }] },
  /** You are put through. */
  joined: { every: null, tones: [bell(0, 659.25, 0.1), bell(0.12, 987.77, 0.1)] },
  /** It is over. */
  ended: { every: null, tones: [bell(0, 587.33, 0.08), bell(0.14, 392, 0.08)] },
  /** A message came. */
  message: { every: null, tones: [{ at: 0, length: 0.35, pitch: 1046.5, gain: 0.05 }] },
} as const satisfies Record<string, { readonly every: number | null, readonly tones: readonly Tone[] }>

export type Tune = keyof typeof tunes

let context: AudioContext | null = null
/** How many tunes ring until they are stopped. */
let ringing = 0
/** When the sounds that were begun are over, in milliseconds of `performance.now`. */
let busyUntil = 0
let rest: ReturnType<typeof setTimeout> | undefined

/** A context that runs costs a hundredth of a processor and more, sound or not: it rests as soon as nothing is to be heard. */
function awake(milliseconds: number): AudioContext {
  context ??= new AudioContext()
  if (context.state === 'suspended') context.resume().catch(() => undefined)
  busyUntil = Math.max(busyUntil, performance.now() + milliseconds)
  clearTimeout(rest)
  rest = setTimeout(() => { if (ringing === 0) context?.suspend().catch(() => undefined) }, busyUntil - performance.now())
  return context
}

/** Browsers give no sound before a gesture: call this in one. */
export function wakeSound(): void {
  awake(1000)
}

function sound(audio: AudioContext, tone: Tone, out: AudioNode): void {
  const start = audio.currentTime + 0.03 + tone.at
  for (const [partial, share] of [[1, 1], [2.01, 0.25]] as const) {
    const oscillator = audio.createOscillator()
    const gain = audio.createGain()
    oscillator.frequency.value = tone.pitch * partial
    gain.gain.setValueAtTime(0, start)
    gain.gain.linearRampToValueAtTime(tone.gain * share, start + 0.015)
    gain.gain.exponentialRampToValueAtTime(0.0001, start + tone.length)
    oscillator.connect(gain).connect(out)
    oscillator.start(start)
    oscillator.stop(start + tone.length)
  }
}

/** Plays a tune, again and again if it rings; the result stops it at once. */
export function play(name: Tune): () => void {
  const tune = tunes[name]
  const audio = awake(1000 * Math.max(...tune.tones.map(({ at, length }) => at + length)) + 500)
  const out = audio.createGain()
  out.connect(audio.destination)
  const once = (): void => { for (const tone of tune.tones) sound(audio, tone, out) }
  once()
  const rings = tune.every === null ? 0 : 1
  const timer = tune.every === null ? undefined : setInterval(once, tune.every * 1000)
  ringing += rings
  return () => {
    clearInterval(timer)
    ringing -= rings
    if (rings > 0) awake(500)
    out.gain.setTargetAtTime(0, audio.currentTime, 0.03)
    setTimeout(() => out.disconnect(), 300)
  }
}
