/** Starts Firefox over WebDriver BiDi, on this machine or on a host of the laboratory, with nothing to say to the internet. */
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import puppeteer from 'puppeteer-core'
import { tunnel } from './tunnel.mjs'
import { trust } from './trust.mjs'

const FIREFOX = process.env['INTEROP_FIREFOX'] ?? '/usr/lib/firefox-esr/firefox-esr'

/** @type {Record<string, string | number | boolean>} */
const MEDIA = {
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  // Without a sound device there would be no audio clock.
  'media.cubeb.force_mock_context': true,
  'media.gmp-manager.url': 'data:,',
  'media.gmp-manager.updateEnabled': false,
  'media.gmp-provider.enabled': false,
}

/** Without a graphics card every frame is painted by the cores that also encode, for the other browsers of a test as well. */
const FEW_FRAMES = { 'layout.frame_rate': 20 }

/** @type {Record<string, string | number | boolean>} */
const QUIET = {
  'app.normandy.enabled': false,
  'app.shield.optoutstudies.enabled': false,
  'app.update.enabled': false,
  'browser.newtabpage.activity-stream.feeds.system.topstories': false,
  'browser.newtabpage.enabled': false,
  'browser.region.network.url': '',
  'browser.region.update.enabled': false,
  'browser.safebrowsing.downloads.enabled': false,
  'browser.safebrowsing.malware.enabled': false,
  'browser.safebrowsing.phishing.enabled': false,
  'browser.safebrowsing.update.enabled': false,
  'browser.search.update': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.homepage': 'about:blank',
  'browser.startup.page': 0,
  'browser.tabs.warnOnClose': false,
  'datareporting.healthreport.uploadEnabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'dom.push.connection.enabled': false,
  'extensions.getAddons.cache.enabled': false,
  'extensions.systemAddon.update.enabled': false,
  'extensions.update.enabled': false,
  'geo.provider.network.url': '',
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'network.dns.disablePrefetch': true,
  'network.http.speculative-parallel-limit': 0,
  'network.prefetch-next': false,
  'network.trr.mode': 5,
  'security.OCSP.enabled': 0,
  'services.settings.server': 'data:,#remote-settings-dummy/v1',
  'signon.autofillForms': false,
  'toolkit.cosmeticAnimations.enabled': false,
  'toolkit.telemetry.enabled': false,
  'toolkit.telemetry.server': '',
  'toolkit.telemetry.unified': false,
}

/**
 * @param {import('./launch.mjs').Options} options
 * @param {string} home a folder of its own
 */
export async function firefox({ lab, host, ca, prefs = {}, locale = 'en-US' }, home) {
  const profile = path.join(home, 'profile')
  mkdirSync(profile, { recursive: true })
  if (ca) trust(ca, profile)
  // Outside the laboratory two browsers of one machine may have nothing but its loopback between them.
  const network = { 'media.peerconnection.ice.loopback': !lab, 'intl.accept_languages': locale }
  const all = Object.entries({ ...MEDIA, ...FEW_FRAMES, ...QUIET, ...network, ...prefs })
  writeFileSync(path.join(profile, 'user.js'), all.map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`).join(''))

  const way = await tunnel(lab, host, home)
  const argv = [FIREFOX, '--headless', '--no-remote', '--width=1280', '--height=800', '--profile', profile, '--remote-debugging-port', String(way.port), 'about:blank']
  const env = { ...process.env, HOME: home, MOZ_CRASHREPORTER_DISABLE: '1', MOZ_DISABLE_AUTO_SAFE_MODE: '1', MOZ_REMOTE_SETTINGS_DEVTOOLS: '1' }
  /** @type {import('node:child_process').SpawnOptions} */
  const options = { env, stdio: ['ignore', 'ignore', 'pipe'] }
  const [file = '', ...rest] = argv
  const child = lab && host ? lab.spawn(host, argv, options) : spawn(file, rest, options)
  await listening(child)
  const browser = await puppeteer.connect({
    browserWSEndpoint: `ws://127.0.0.1:${way.port}/session`,
    protocol: 'webDriverBiDi',
    defaultViewport: null,
    protocolTimeout: 60_000,
  })
  return { browser, child, close: way.close }
}

/** Waits until Firefox takes connections. @param {import('node:child_process').ChildProcess} child */
function listening(child) {
  return new Promise((resolve, reject) => {
    if (!child.stderr) throw new Error('stderr is a pipe')
    /** @type {string[]} */
    const said = []
    createInterface({ input: child.stderr }).on('line', (line) => {
      said.push(line)
      if (line.includes('WebDriver BiDi listening on')) resolve(line)
    })
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`Firefox ended with ${code} before it listened:\n${said.slice(-10).join('\n')}`)))
  })
}
