/** Real browsers for the tests: a server of the page and of signalling, two kinds of browser, and waiting. */
import { readFile } from 'node:fs/promises'
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import puppeteer, { type Browser, type Page } from 'puppeteer-core'
import { WebSocketServer, type WebSocket } from 'ws'
import type { Client } from '../src/options.js'
import type { Model } from '../src/model.js'
import { Rendezvous } from '../test/rendezvous.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript' }

declare global {
  interface Window { client: Client; marks: { firstFrame: number | null } }
}

export interface Lab {
  readonly url: string
  /** Starts the server anew, which forgets every session. */
  restart(): Promise<void>
  /** Closes every socket, as a network that breaks. */
  cutSockets(): void
  close(): Promise<void>
}

/** Serves the built client and the test page, and signalling at /ws. */
export async function startLab(): Promise<Lab> {
  const rendezvous = new Rendezvous()
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://localhost').pathname)
    const file = path === '/' ? 'browser/page.html' : path
    try {
      const body = await readFile(join(ROOT, file))
      response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' }).end(body)
    } catch {
      response.writeHead(404).end()
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const url = `http://localhost:${address.port}`
  const program = process.env['VISAVIS']
  const behind = program ? await realServer(program, url, server) : inMemory(rendezvous, server)
  return {
    url,
    restart: behind.restart,
    cutSockets: behind.cut,
    close: async () => {
      await behind.close()
      server.close()
    },
  }
}

interface Behind { cut(): void; restart(): Promise<void>; close(): Promise<void> }

/** Signalling by the server of the Node tests. */
function inMemory(rendezvous: Rendezvous, server: ReturnType<typeof createServer>): Behind {
  const sockets = new Set<WebSocket>()
  new WebSocketServer({ server, path: '/ws' }).on('connection', (socket) => {
    sockets.add(socket)
    const line = rendezvous.connect({ send: (text) => socket.send(text), close: () => socket.close() })
    socket.on('message', (data) => line.receive(String(data)))
    socket.on('close', () => {
      sockets.delete(socket)
      line.cut()
    })
  })
  const cut = () => { for (const socket of sockets) socket.terminate() }
  return { cut, restart: async () => rendezvous.restart(), close: async () => cut() }
}

/** Signalling by the real server (`VISAVIS` names the program), behind a pipe that can be cut. */
async function realServer(program: string, origin: string, server: ReturnType<typeof createServer>): Promise<Behind> {
  const data = await mkdtemp(join(tmpdir(), 'visavis-client-'))
  const port = 20_000 + (process.pid % 20_000)
  const pipes = new Set<Socket>()
  let child = await startServer(program, origin, data, port)
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const through = connect(port, '127.0.0.1', () => {
      const headers = request.rawHeaders.reduce((text, item, index) => text + item + (index % 2 === 0 ? ': ' : '\r\n'), '')
      through.write(`GET ${request.url} HTTP/1.1\r\n${headers}\r\n`)
      through.write(head)
      socket.pipe(through).pipe(socket)
    })
    pipes.add(socket)
    for (const [one, other] of [[socket, through], [through, socket]] as const) {
      one.on('error', () => other.destroy())
      one.on('close', () => { other.destroy(); pipes.delete(socket) })
    }
  })
  const cut = () => { for (const pipe of pipes) pipe.destroy() }
  const stop = () => new Promise((resolve) => {
    child.once('exit', resolve)
    child.kill('SIGKILL')
  })
  return {
    cut,
    restart: async () => {
      await stop()
      child = await startServer(program, origin, data, port)
    },
    close: async () => {
      cut()
      await stop()
      await rm(data, { recursive: true, force: true })
    },
  }
}

/** Resolves when the server says that it is ready. */
function startServer(program: string, origin: string, data: string, port: number): Promise<ChildProcess> {
  const local = (offset: number) => `127.0.0.1:${port + offset}`
  const child = spawn(program, ['serve', '--data', data, '--http', local(0), '--https', local(1), '--stun', local(2), '--origins', origin], { stdio: ['ignore', 'pipe', 'inherit'] })
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)))
    child.stdout?.on('data', (text) => {
      if (!String(text).includes('visavis: ready')) return
      child.removeAllListeners('exit')
      resolve(child)
    })
  })
}

export type BrowserName = 'chromium' | 'firefox'

export function launch(name: BrowserName): Promise<Browser> {
  return name === 'chromium' ? launchChromium() : launchFirefox()
}

function launchChromium(): Promise<Browser> {
  return puppeteer.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/lib/chromium/chromium',
    headless: true,
    pipe: true,
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
      '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', '--auto-select-desktop-capture-source=Entire screen',
      '--autoplay-policy=no-user-gesture-required', '--disable-background-networking', '--disable-component-update',
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1',
      '--disable-renderer-backgrounding', '--disable-background-timer-throttling', '--disable-backgrounding-occluded-windows',
    ],
  })
}

function launchFirefox(): Promise<Browser> {
  return puppeteer.launch({
    browser: 'firefox',
    executablePath: process.env['FIREFOX'] ?? '/usr/lib/firefox-esr/firefox-esr',
    headless: true,
    extraPrefsFirefox: {
      'media.navigator.streams.fake': true, 'media.navigator.permission.disabled': true, 'media.cubeb.force_mock_context': true,
      'media.peerconnection.ice.obfuscate_host_addresses': false, 'media.peerconnection.ice.loopback': true,
      'media.autoplay.default': 0, 'media.autoplay.blocking_policy': 0,
      'network.captive-portal-service.enabled': false, 'network.connectivity-service.enabled': false, 'network.trr.mode': 5,
      'app.update.enabled': false, 'datareporting.healthreport.uploadEnabled': false, 'toolkit.telemetry.server': '',
      'services.settings.server': 'data:,#remote-settings-dummy/v1', 'browser.safebrowsing.downloads.enabled': false,
      'browser.safebrowsing.malware.enabled': false, 'media.gmp-manager.updateEnabled': false, 'dom.push.connection.enabled': false,
    },
  })
}

export async function openPage(browser: Browser, lab: Lab, name: string): Promise<Page> {
  // Each page its own storage, as two people have; Firefox shares none between contexts either.
  const context = await browser.createBrowserContext()
  const page = await context.newPage()
  page.on('pageerror', (error) => console.error(`${name}:`, error))
  page.on('console', (message) => { if (message.type() === 'error') console.error(`${name}:`, message.text()) })
  await page.goto(lab.url)
  await page.waitForFunction(() => 'client' in window)
  await page.evaluate((name) => window.client.commands.connect(name), name)
  await until(page, (model) => model.server.kind === 'online')
  return page
}

export function model(page: Page): Promise<Model> {
  return page.evaluate(() => window.client.model())
}

/** Waits until the model of the page fulfils a condition. */
export async function until(page: Page, condition: (model: Model) => boolean, milliseconds = 20_000): Promise<Model> {
  const deadline = Date.now() + milliseconds
  let last: Model | null = null
  while (Date.now() < deadline) {
    last = await model(page).catch(() => null)
    if (last !== null && condition(last)) return last
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`waited ${milliseconds} ms for ${condition}; the call is ${JSON.stringify(last?.call)}`)
}
