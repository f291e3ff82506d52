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
  await a.page.evaluate((t0) => { globalThis.samples = []; globalThis.timer = setInterval(async () => {
    const at = Date.now() - t0; const out = []
    for (const pc of interop.connections) { if (pc.connectionState === 'closed') continue; for (const s of (await pc.getStats()).values()) { if (s.type === 'inbound-rtp' && s.kind === 'video' && s.packetsReceived) out.push(`${pc.getTransceivers().length > 10 ? 'room' : 'call'}${s.mid}: p${s.packetsReceived} r${s.framesReceived} d${s.framesDecoded} k${s.keyFramesDecoded} h${s.frameHeight} drop${s.framesDropped} pli${s.pliCount}`); if (s.type === 'outbound-rtp' && s.kind === 'video' && s.active) out.push(`  out ${s.rid ?? '-'} ${pc.getTransceivers().length > 10 ? 'room' : 'call'} f${s.framesSent} k${s.keyFramesEncoded} pli${s.pliCount} ${s.frameHeight} ${s.qualityLimitationReason}`) } }
    samples.push(`${(at / 1000).toFixed(2)} +${Date.now() - t0 - at} ${out.join(' | ')}`)
  }, 100) }, t0)
  console.log('--- third'); await c.press('Join')
  await Promise.all(all.map((p) => p.seesAll(all.filter((o) => o !== p))))
  const where = async (p, o) => { const times = await p.page.evaluate((l) => interop.painted[l], o.name); return times.slice(1).map((x, i) => [((x - t0) / 1000).toFixed(2), x - times[i]]).filter(([, g]) => g > 130).join('  ') }
  console.log('A', await where(a, b)); console.log('B', await where(b, a)); const more = { a: await a.page.evaluate(() => interop.painted['Bruno'].length), }
  console.log('gaps', await a.longestGap(b), await b.longestGap(a))
  console.log((await a.page.evaluate(() => { clearInterval(timer); return samples })).slice(0, 40).join('\n'))
  console.log('--- remove')
  await Promise.all([a.watches(b), b.watches(a)])
  if (process.env.LEAVE) await c.press('Hang up')
  else { await a.press('People'); await a.press('Manage Cyd'); await a.press('Remove'); await a.press('Really remove Cyd?') }
  await Promise.all([a.says('In a call with'), b.says('In a call with')])
  await Promise.all([a.sees(b), b.sees(a)])
  console.log('A', await where(a, b)); console.log('B', await where(b, a))
  console.log('gaps', await a.longestGap(b), await b.longestGap(a))
} catch (e) { console.log(String(e).slice(0, 600)) }
await chromium.close(); await server.stop(); process.exit()
