/**
 * Writes docs/call.png: a real call between two pages, through our server, with drawn people in front of their cameras.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Browser } from './browser/launch.mjs'
import { Person } from './browser/person.mjs'
import { portrait } from './browser/portrait.mjs'
import { command } from './lab/namespaces.mjs'
import { Visavis } from './servers/visavis.mjs'

const OUT = fileURLToPath(new URL('../docs/call.png', import.meta.url))
const VIEW = { width: 1440, height: 880 }

const folder = mkdtempSync(path.join(tmpdir(), 'visavis-picture-'))
const server = await Visavis.local()
const browsers = await Promise.all([portrait.ada, portrait.bruno].map((look, n) => {
  return Browser.launch('chromium', { media: { video: portrait.film(look, path.join(folder, `${n}.mjpeg`)) } })
}))
try {
  const [first, second] = browsers
  if (!first || !second) throw new Error('two browsers')
  const [ada, bruno] = await Promise.all([Person.arrive(first, 'Ada', server.url, { viewport: VIEW }), Person.arrive(second, 'Bruno', server.url, { viewport: VIEW })])
  await Promise.all([ada.introduce(), bruno.introduce()])
  await ada.call('Bruno')
  await bruno.says('is calling you')
  await bruno.press('Accept')
  await Promise.all([ada.sees(bruno), bruno.sees(ada)])
  // The picture grows sharp within the first seconds.
  await bruno.until('the picture is sharp', async () => ((await bruno.stats())?.width ?? 0) >= 960)
  await bruno.press('Chat')
  await bruno.type('Message', 'You look well!')
  await bruno.page.keyboard.press('Enter')
  await ada.press('Chat')
  await ada.type('Message', 'So do you. Shall we begin?')
  await ada.page.keyboard.press('Enter')
  await bruno.reads('Shall we begin?')
  const raw = path.join(folder, 'raw.png')
  await bruno.page.screenshot({ path: /** @type {`${string}.png`} */ (raw) })
  mkdirSync(path.dirname(OUT), { recursive: true })
  // A palette of 256 colours makes a third of it.
  command(['ffmpeg', '-loglevel', 'error', '-y', '-i', raw, '-vf', 'split[a][b];[a]palettegen=stats_mode=full[p];[b][p]paletteuse=dither=sierra2_4a', '-compression_level', '9', OUT])
  console.log(OUT)
} finally {
  await Promise.all(browsers.map((browser) => browser.close()))
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
}
