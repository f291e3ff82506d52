/** The built page behind a strict policy, signalling beside it, and people at browsers. */
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import puppeteer, { type Browser, type BrowserContext, type Page } from 'puppeteer-core'
import { WebSocketServer, type WebSocket } from 'ws'
import { Rendezvous } from '../../../client/test/rendezvous.js'

const dist = fileURLToPath(new URL('../../dist', import.meta.url))
const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.png': 'image/png', '.webmanifest': 'application/manifest+json',
}
/** What the server says too: nothing but its own files. */
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"

export interface Lab {
  readonly url: string
  /** Closes every socket, as a network that breaks. */
  cutSockets(): void
  close(): void
}

export async function startLab(): Promise<Lab> {
  const rendezvous = new Rendezvous()
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://localhost').pathname)
    const file = path === '/' || /^\/[cr]\//.test(path) ? '/index.html' : path
    readFile(join(dist, file)).then(
      body => response.writeHead(200, { 'content-type': types[extname(file)] ?? 'application/octet-stream', 'content-security-policy': policy }).end(body),
      () => response.writeHead(404).end(),
    )
  })
  const sockets = new Set<WebSocket>()
  new WebSocketServer({ server, path: '/ws' }).on('connection', socket => {
    sockets.add(socket)
    const line = rendezvous.connect({ send: text => socket.send(text), close: () => socket.close() })
    socket.on('message', data => line.receive(String(data)))
    socket.on('close', () => { sockets.delete(socket); line.cut() })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The server has no port.')
  const cutSockets = (): void => { for (const socket of sockets) socket.terminate() }
  return { url: `http://localhost:${address.port}`, cutSockets, close: () => { cutSockets(); server.close() } }
}

export function launch(): Promise<Browser> {
  return puppeteer.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/lib/chromium/chromium',
    headless: true,
    pipe: true,
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--use-fake-device-for-media-stream', '--lang=en-US',
      '--auto-select-tab-capture-source-by-title=Visavis', '--autoplay-policy=no-user-gesture-required', '--disable-background-networking',
      '--disable-component-update', '--no-first-run', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1',
      '--disable-renderer-backgrounding', '--disable-background-timer-throttling', '--disable-backgrounding-occluded-windows',
    ],
  })
}

/** Somebody at a browser of their own. `allow` says whether they let the page have camera and microphone. */
export class Somebody {
  readonly problems: string[] = []
  private constructor(readonly context: BrowserContext, readonly page: Page) {}

  static async arrive(browser: Browser, url: string, allow = true): Promise<Somebody> {
    const context = await browser.createBrowserContext()
    const page = await context.newPage()
    const somebody = new Somebody(context, page)
    page.on('pageerror', error => somebody.problems.push(String(error instanceof Error ? error.stack : error)))
    page.on('console', message => { if (message.type() === 'error') somebody.problems.push(message.text()) })
    await page.setViewport({ width: 1000, height: 700 })
    await somebody.permit(url, allow)
    await page.goto(url)
    return somebody
  }

  async permit(url: string, allow: boolean): Promise<void> {
    const session = await this.page.createCDPSession()
    const setting = allow ? 'granted' : 'denied'
    for (const name of ['camera', 'microphone']) {
      await session.send('Browser.setPermission', { origin: new URL(url).origin, permission: { name }, setting, browserContextId: this.context.id ?? '' } as never)
    }
  }

  button(name: string): Promise<void> { return this.page.locator(`aria/${name}[role="button"]`).click() }
  fill(name: string, text: string): Promise<void> { return this.page.locator(`aria/${name}[role="textbox"]`).fill(text) }

  /** Waits until the status line matches. */
  async status(pattern: RegExp): Promise<void> {
    await this.page.waitForFunction(
      source => new RegExp(source, 'i').test(document.querySelector('[role="status"]')?.textContent ?? ''), { polling: 50, timeout: 20_000 }, pattern.source,
    ).catch(async () => { throw new Error(`The status is “${await this.page.$eval('[role="status"]', node => node.textContent)}”, not ${pattern}.`) })
  }

  /** Waits until a video of this name shows moving frames. */
  async sees(label: string): Promise<void> {
    await this.page.waitForFunction(
      name => [...document.querySelectorAll('video')].some(video => video.ariaLabel === name && video.videoWidth > 0 && video.getVideoPlaybackQuality().totalVideoFrames > 5),
      { polling: 50, timeout: 20_000 }, label,
    )
  }

  async leave(): Promise<void> { await this.context.close() }
}
