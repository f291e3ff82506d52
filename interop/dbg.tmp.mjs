import { Browser } from './browser/launch.mjs'
import { Person } from './browser/person.mjs'
import { Visavis } from './servers/visavis.mjs'
const server = await Visavis.local(['--sessions-per-address', '1000', '--connections-per-address', '1000'])
const chromium = await Browser.launch('chromium')
const hues = [0, 120, 240]
const all = []
const t0 = Date.now()
for (const [i, name] of ['Ada', 'Bruno', 'Cyd'].entries()) {
  const p = await Person.arrive(chromium, name, `${server.url}/r/room-1`, { hue: hues[i] })
  const cdp = await p.page.createCDPSession(); await cdp.send('Network.enable')
  const log = (dir) => ({ response: { payloadData } }) => { const m = JSON.parse(payloadData); if (!['ack', 'ping', 'pong', 'candidate', 'speaking'].includes(m.type)) console.log(((Date.now() - t0) / 1000).toFixed(2), name, dir, JSON.stringify(m).slice(0, 260)) }
  if (!process.env.QUIET) { cdp.on('Network.webSocketFrameSent', log('->')); cdp.on('Network.webSocketFrameReceived', log('<-')) }
  await p.introduce(); all.push(p)
}
const [a, b, c] = all
try {
  await a.press('Join'); await a.says('Waiting'); await b.press('Join')
  await Promise.all([a.sees(b), b.sees(a)])
  await Promise.all([a.watches(b), b.watches(a)])
  for (const p of [a, b]) await p.page.evaluate((t0) => { globalThis.notes = []; const note = (x) => notes.push(((Date.now() - t0) / 1000).toFixed(2) + ' ' + x)
    let last = performance.now(); setInterval(() => { const now = performance.now(); if (now - last > 90) note(`timer stalled ${Math.round(now - last)}`); last = now }, 10)
    let frame = performance.now(); const raf = () => { const now = performance.now(); if (now - frame > 120) note(`raf stalled ${Math.round(now - frame)}`); frame = now; requestAnimationFrame(raf) }; raf()
    new MutationObserver(() => { const now = document.querySelector('.app').dataset.call; if (now !== globalThis.was) { note('call is ' + now); globalThis.was = now } }).observe(document.body, { subtree: true, attributes: true, attributeFilter: ['data-call'] })
    new PerformanceObserver((l) => { for (const e of l.getEntries()) note(`long task ${Math.round(e.duration)}`) }).observe({ entryTypes: ['longtask'] })
    const seen = new WeakSet(); const look = () => { for (const v of document.querySelectorAll('video')) if (!seen.has(v)) { seen.add(v); const n = v.ariaLabel; note(`element ${n}`); for (const e of ['loadedmetadata', 'playing', 'waiting', 'stalled', 'emptied']) v.addEventListener(e, () => note(`${n} ${e} ${v.videoHeight}`)); let first = true; v.requestVideoFrameCallback(() => note(`${n} first frame`)) } }
    look(); new MutationObserver(look).observe(document.body, { childList: true, subtree: true })
  }, t0)
  console.log('--- third'); await c.press('Join')
  await Promise.all(all.map((p) => p.seesAll(all.filter((o) => o !== p))))
  const where = async (p, o) => { const times = await p.page.evaluate((l) => interop.painted[l], o.name); return times.slice(1).map((x, i) => [((x - t0) / 1000).toFixed(2), x - times[i]]).filter(([, g]) => g > 130).join('  ') }
  console.log('A', await where(a, b)); console.log('B', await where(b, a)); const more = { a: await a.page.evaluate(() => interop.painted['Bruno'].length), }
  console.log('gaps', await a.longestGap(b), await b.longestGap(a))
  for (const p of [a, b]) console.log(p.name, (await p.page.evaluate(() => notes.splice(0))).join('\n   '))
  console.log('--- remove')
  await Promise.all([a.watches(b), b.watches(a)])
  if (process.env.LEAVE) await c.press('Hang up')
  else { await a.press('People'); await a.press('Manage Cyd'); await a.press('Remove'); await a.press('Really remove Cyd?') }
  await Promise.all([a.says('In a call with'), b.says('In a call with')])
  await Promise.all([a.sees(b), b.sees(a)])
  console.log('A', await where(a, b)); console.log('B', await where(b, a))
  console.log('gaps', await a.longestGap(b), await b.longestGap(a))
  for (const p of [a, b]) console.log(p.name, (await p.page.evaluate(() => notes.splice(0))).join('\n   '))
} catch (e) { console.log(String(e).slice(0, 600)) }
await chromium.close(); await server.stop(); process.exit()
