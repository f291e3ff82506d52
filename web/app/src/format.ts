/** Numbers, sizes and durations as people of a language write them. */

const cache = new Map<string, Intl.NumberFormat>()

function number(lang: string, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = lang + JSON.stringify(options)
  let format = cache.get(key)
  if (!format) cache.set(key, (format = new Intl.NumberFormat(lang, options)))
  return format
}

function unit(lang: string, value: number, name: string, digits = 0): string {
  return number(lang, { style: 'unit', unit: name, unitDisplay: 'short', maximumFractionDigits: digits }).format(value)
}

/** A clock that runs: `0:07`, `12:30`, `1:02:03`. Negative and broken values count as nothing. */
export function clock(seconds: number): string {
  const whole = Number.isFinite(seconds) ? Math.max(0, Math.floor(seconds)) : 0
  const two = (n: number): string => String(n).padStart(2, '0')
  const minutes = Math.floor(whole / 60) % 60
  const hours = Math.floor(whole / 3600)
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`
}

/** A length of time in words, in at most two units: `45 sec`, `3 min 5 sec`, `2 hr 10 min`. */
export function duration(lang: string, seconds: number): string {
  const whole = Number.isFinite(seconds) ? Math.max(0, Math.round(seconds)) : 0
  const hours = Math.floor(whole / 3600)
  const minutes = Math.floor(whole / 60) % 60
  const parts = hours > 0
    ? [unit(lang, hours, 'hour'), minutes > 0 && unit(lang, minutes, 'minute')]
    : [minutes > 0 && unit(lang, minutes, 'minute'), (whole % 60 > 0 || whole === 0) && unit(lang, whole % 60, 'second')]
  return parts.filter(Boolean).join(' ')
}

/** A size on disk, in the decimal units that systems show: `812 byte`, `2.3 MB`. */
export function size(lang: string, bytes: number): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const
  let value = Math.max(0, bytes)
  let at = 0
  while (value >= 999.5 && at < units.length - 1) {
    value /= 1000
    at += 1
  }
  return unit(lang, value, units[at] ?? 'byte', value < 10 && at > 0 ? 1 : 0)
}

/** How fast a file goes: `1.2 MB/s`. */
export function rate(lang: string, bytesPerSecond: number): string {
  return `${size(lang, bytesPerSecond)}/s`
}

/** A bit rate: `840 kbit/s`, `2.4 Mbit/s`. */
export function bitrate(lang: string, bitsPerSecond: number): string {
  const mega = bitsPerSecond >= 999_500
  const value = bitsPerSecond / (mega ? 1e6 : 1e3)
  return `${number(lang, { maximumFractionDigits: mega && value < 10 ? 1 : 0 }).format(value)} ${mega ? 'Mbit/s' : 'kbit/s'}`
}

/** A fraction: `0.4 %` in French, `0.4%` in English. */
export function percent(lang: string, fraction: number): string {
  return number(lang, { style: 'percent', maximumFractionDigits: fraction > 0 && fraction < 0.1 ? 1 : 0 }).format(fraction)
}

/** A delay given in seconds, in milliseconds. */
export function milliseconds(lang: string, seconds: number): string {
  return unit(lang, Math.round(seconds * 1000), 'millisecond')
}

/** The time of day of a message. */
export function timeOfDay(lang: string, at: number): string {
  return new Intl.DateTimeFormat(lang, { hour: 'numeric', minute: '2-digit' }).format(at)
}

/** Seconds left of a transfer; null while nothing moves. */
export function timeLeft(total: number, done: number, bytesPerSecond: number): number | null {
  return bytesPerSecond > 0 ? Math.max(0, total - done) / bytesPerSecond : null
}

/** One or two letters that stand for a person where there is no picture. */
export function initials(name: string): string {
  const words = name.trim().split(/[\s_.-]+/u).filter(Boolean)
  const first = [...(words[0] ?? '')][0] ?? '?'
  const last = words.length > 1 ? [...(words.at(-1) ?? '')][0] ?? '' : ''
  return (first + last).toLocaleUpperCase()
}

/** A hue, 0 to 359, that stays with a person: the same for the same text. */
export function hue(text: string): number {
  let hash = 2166136261
  for (const letter of text) hash = Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 16777619) >>> 0
  return hash % 360
}
