/** Moving pictures without a camera: a drawn person in a drawn room, and a drawn screen. */

export interface Look { readonly wall: string, readonly light: string, readonly skin: string, readonly hair: string, readonly shirt: string }

export const ada: Look = { wall: '#3c5a5c', light: '#e9b07a', skin: '#d9a27e', hair: '#3a2420', shirt: '#b4513a' }
export const bruno: Look = { wall: '#7a5a4a', light: '#f2d3a4', skin: '#8d5b3e', hair: '#1d1512', shirt: '#2f5f73' }

/** Somebody, the same for the same number. */
export function anybody(number: number): Look {
  const pick = (...all: readonly string[]): string => all[number % all.length] ?? ''
  return {
    wall: pick('#3c5a5c', '#57486b', '#6b5a3c', '#3d4f6b', '#6b3f45'), light: pick('#e9b07a', '#cfd8e8', '#f2d3a4', '#d8c3e6'), skin: pick('#d9a27e', '#8d5b3e', '#f0c8a8', '#b97f5a', '#6f4630'),
    hair: pick('#3a2420', '#b08a4a', '#1d1512', '#7a3b22', '#8f8f94'), shirt: pick('#b4513a', '#2f5f73', '#4c6b3a', '#6b3a62', '#c9a03f'),
  }
}

function person(paint: CanvasRenderingContext2D, look: Look, w: number, h: number, t: number): void {
  const wall = paint.createLinearGradient(0, 0, w, h)
  wall.addColorStop(0, look.light)
  wall.addColorStop(0.55, look.wall)
  wall.addColorStop(1, '#22191f')
  paint.fillStyle = wall
  paint.fillRect(0, 0, w, h)
  paint.fillStyle = 'rgba(255,240,215,.35)'
  paint.fillRect(w * 0.08, h * 0.08, w * 0.2, h * 0.42)
  paint.fillStyle = 'rgba(60,35,30,.35)'
  for (let i = 0; i < 7; i += 1) paint.fillRect(w * (0.72 + i * 0.034), h * (0.2 + (i % 3) * 0.02), w * 0.026, h * 0.2)
  paint.fillRect(w * 0.69, h * 0.41, w * 0.3, h * 0.018)
  const x = w / 2 + Math.sin(t / 1400) * w * 0.006
  const y = h * 0.47 + Math.sin(t / 900) * h * 0.006
  const r = h * 0.19
  const oval = (cx: number, cy: number, rx: number, ry: number, fill: string): void => { paint.fillStyle = fill; paint.beginPath(); paint.ellipse(cx, cy, rx, ry, 0, 0, 7); paint.fill() }
  oval(x, y - r * 0.25, r * 1.05, r * 1.15, look.hair)
  oval(x, h * 1.12, r * 2.3, h * 0.42, look.shirt)
  paint.fillStyle = look.skin
  paint.fillRect(x - r * 0.34, y + r * 0.6, r * 0.68, r * 0.9)
  oval(x, y + r * 1.5, r * 0.34, r * 0.3, look.skin)
  oval(x, y + r * 0.12, r * 0.82, r * 1.02, look.skin)
  oval(x, y - r * 0.78, r * 0.86, r * 0.5, look.hair)
  for (const side of [-1, 1]) { oval(x + side * r * 0.33, y + r * 0.02, r * 0.075, t % 3100 < 120 ? 1 : r * 0.085, '#2a1a16'); oval(x + side * r * 0.5, y + r * 0.42, r * 0.16, r * 0.1, 'rgba(220,90,70,.22)') }
  paint.strokeStyle = '#5a2a24'
  paint.lineWidth = r * 0.06
  paint.lineCap = 'round'
  paint.beginPath()
  paint.arc(x, y + r * 0.36, r * 0.3, 0.35, Math.PI - 0.35)
  paint.stroke()
}

function desktop(paint: CanvasRenderingContext2D, w: number, h: number): void {
  paint.fillStyle = '#f4f1ec'
  paint.fillRect(0, 0, w, h)
  paint.fillStyle = '#2b1f2d'
  paint.fillRect(0, 0, w, h * 0.05)
  paint.font = `600 ${h * 0.06}px sans-serif`
  paint.fillText('Autumn plan', w * 0.08, h * 0.18)
  for (let i = 0; i < 5; i += 1) {
    paint.fillStyle = ['#f0824f', '#5b2a4f', '#0d6e5d', '#e0b040', '#8a6f88'][i] ?? '#000'
    const tall = h * [0.22, 0.34, 0.28, 0.45, 0.52][i]!
    paint.fillRect(w * (0.1 + i * 0.16), h * 0.86 - tall, w * 0.1, tall)
  }
  paint.fillStyle = '#cfc6bb'
  paint.fillRect(w * 0.08, h * 0.86, w * 0.84, 3)
}

/** A live picture of somebody. */
export function portrait(look: Look, width = 1280, height = 720): MediaStream {
  return drawn(width, height, (paint, t) => person(paint, look, width, height, t))
}

/** A live picture of a screen. */
export function screenPicture(): MediaStream {
  return drawn(1600, 900, paint => desktop(paint, 1600, 900))
}

function drawn(width: number, height: number, draw: (paint: CanvasRenderingContext2D, t: number) => void): MediaStream {
  const canvas = document.createElement('canvas')
  canvas.width = width
  canvas.height = height
  const paint = canvas.getContext('2d')
  if (!paint) throw new Error('This browser gives no canvas.')
  const stream = canvas.captureStream(10)
  draw(paint, 0)
  setInterval(() => draw(paint, performance.now()), 100)
  return stream
}
