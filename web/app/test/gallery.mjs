// Takes a picture of every state of the page, wide and at phone size, light and dark, some in French, and runs axe over
// each. Fails if axe finds a violation. Usage: node test/gallery.mjs [name-filter] [--fast]
import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import puppeteer from 'puppeteer-core'
import { createServer } from 'vite'

const root = fileURLToPath(new URL('..', import.meta.url))
const out = new URL('../../../interop/out/gallery/', import.meta.url)
mkdirSync(out, { recursive: true })
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const filter = process.argv[2]?.startsWith('--') ? '' : (process.argv[2] ?? '')
const fast = process.argv.includes('--fast')
const french = new Set(['start', 'incoming', 'running-chat', 'running-details', 'settings', 'denied', 'running', 'room-lecture', 'invited-expired', 'groups-on', 'in-group'])

const server = await createServer({ root, server: { port: 0, host: '127.0.0.1', hmr: false }, logLevel: 'error' })
await server.listen()
const address = server.httpServer.address()
const base = `http://127.0.0.1:${address.port}/gallery.html`
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/lib/chromium/chromium',
  headless: true,
  pipe: true,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--autoplay-policy=no-user-gesture-required', '--disable-background-networking',
    '--disable-component-update', '--no-first-run', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1',
    '--disable-renderer-backgrounding', '--disable-background-timer-throttling', '--force-color-profile=srgb',
  ],
})
let failures = 0

/** Shows one state in one form, takes its picture, and checks it. */
async function shoot(name, steps, [form, page], theme, lang) {
  const label = `${name}.${form}.${theme}${lang === 'fr' ? '.fr' : ''}`
  // A page in the background paints nothing.
  await page.bringToFront()
  await page.goto(`${base}?state=${name}&theme=${theme}&lang=${lang}`, { waitUntil: 'domcontentloaded' })
  await page.waitForSelector('[role="status"]')
  for (const [selector, text] of steps) {
    if (text === '\uE015') await page.keyboard.press('ArrowDown')
    else if (text) await page.type(selector, text)
    else await page.click(selector)
  }
  // Every visible live picture has to have a frame before the page is painted for good.
  await page.waitForFunction(() => [...document.querySelectorAll('video')].every(video => !video.srcObject?.getVideoTracks().length || video.readyState >= 2))
  await page.evaluate(() => new Promise(done => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 260)))
  await page.screenshot({ path: fileURLToPath(new URL(`${label}.png`, out)) })
  await page.evaluate(axe)
  const result = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }))
  const status = await page.$$eval('[role="status"]', all => all.length)
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)
  if (status !== 1) { failures += 1; console.log(`${label}: ${status} status lines instead of one`) }
  if (overflow) { failures += 1; console.log(`${label}: wider than the window`) }
  for (const violation of result.violations) {
    failures += 1
    console.log(`${label}: ${violation.id}: ${violation.help}`)
    for (const node of violation.nodes.slice(0, 3)) console.log(`    ${node.target.join(' ')}: ${node.failureSummary?.split('\n')[1] ?? ''}`)
  }
}

/** A page of one size. */
async function open(form, width, height) {
  const page = await browser.newPage()
  await page.setViewport({ width, height, hasTouch: form === 'phone', isMobile: form === 'phone' })
  await page.emulateMediaFeatures([{ name: 'prefers-reduced-motion', value: 'reduce' }])
  page.on('pageerror', error => { failures += 1; console.log(`${page.url()}: page error:`, error.stack) })
  page.on('console', message => { if (message.type() === 'error' || message.type() === 'warn') console.log('console:', message.text()) })
  return [form, page]
}

const forms = [await open('wide', 1280, 800), await open('phone', 390, 844)]
const page = forms[0][1]
await page.goto(base)
await page.waitForFunction(() => window.states)
const states = Object.entries(await page.evaluate(() => window.states)).filter(([name]) => name.includes(filter))
let shots = 0
for (const [name, { steps }] of states) {
  for (const form of forms) {
    for (const theme of fast ? [form[0] === 'wide' ? 'light' : 'dark'] : ['light', 'dark']) {
      await shoot(name, steps, form, theme, 'en')
      shots += 1
    }
  }
  if (french.has(name) && !fast) {
    await shoot(name, steps, forms[0], 'light', 'fr')
    await shoot(name, steps, forms[1], 'dark', 'fr')
    shots += 2
  }
}
await browser.close()
await server.close()
console.log(`${shots} pictures of ${states.length} states in ${fileURLToPath(out)}, ${failures} problems`)
process.exit(failures ? 1 : 0)
