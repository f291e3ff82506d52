/** Starts Chromium over a pipe, on this machine or on a host of the laboratory, with nothing to say to the internet. */
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import puppeteer from 'puppeteer-core'
import { trust } from './trust.mjs'

/** Debian's wrapper script would stand between us and the pipe. */
const CHROMIUM = process.env['INTEROP_CHROMIUM'] ?? '/usr/lib/chromium/chromium'

/** Chromium honours only the last `--disable-features`. */
const DISABLED_FEATURES = [
  'AutofillServerCommunication',
  'CertificateTransparencyComponentUpdater',
  'DialMediaRouteProvider',
  'MediaRouter',
  'OptimizationHints',
  'Translate',
]

const QUIET = [
  '--disable-background-networking',
  '--disable-breakpad',
  '--disable-client-side-phishing-detection',
  '--disable-component-update',
  '--disable-default-apps',
  '--disable-domain-reliability',
  '--disable-extensions',
  '--disable-search-engine-choice-screen',
  '--disable-sync',
  '--metrics-recording-only',
  '--no-default-browser-check',
  '--no-first-run',
  '--no-pings',
  '--no-service-autorun',
]

/** A page that is not in front is as important here as one that is. */
const AWAKE = ['--disable-background-timer-throttling', '--disable-backgrounding-occluded-windows', '--disable-renderer-backgrounding']

/**
 * @param {import('./launch.mjs').Options} options
 * @param {string} home a folder of its own
 */
export async function chromium({ lab, host, ca, names = {}, media = {}, args = [], locale = 'en-US' }, home) {
  if (ca) trust(ca, path.join(home, '.pki', 'nssdb'))
  mkdirSync(path.join(home, 'profile'), { recursive: true })
  // STUN servers are looked up with the dot of an absolute name, which the file of hosts does not have.
  const known = Object.entries(names).map(([name, address]) => `MAP ${name} ${address}, MAP ${name}. ${address}, `)
  const reachable = ['localhost', '127.0.0.1', '[::1]', '203.0.113.*'].map((name) => `, EXCLUDE ${name}`)
  const argv = [
    CHROMIUM,
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--hide-scrollbars',
    '--force-color-profile=srgb',
    '--window-size=1280,800',
    `--lang=${locale}`,
    `--user-data-dir=${path.join(home, 'profile')}`,
    `--host-resolver-rules=${known.join('')}MAP * ~NOTFOUND${reachable.join('')}`,
    `--disable-features=${DISABLED_FEATURES.join(',')}`,
    ...QUIET,
    ...AWAKE,
    ...mediaSwitches(media),
    ...args,
  ]
  const whole = lab && host ? lab.argv(host, argv) : argv
  const env = { ...process.env, HOME: home, GOOGLE_API_KEY: 'no', GOOGLE_DEFAULT_CLIENT_ID: 'no', GOOGLE_DEFAULT_CLIENT_SECRET: 'no' }
  // Puppeteer wants a path where we have a command; it adds the pipe by itself.
  return puppeteer.launch({ executablePath: '/usr/bin/env', args: whole, ignoreDefaultArgs: true, pipe: true, env, defaultViewport: null, protocolTimeout: 60_000 })
}

/** @param {import('./launch.mjs').Media} media */
function mediaSwitches({ video, audio, rate, camera = true }) {
  return [
    `--use-fake-device-for-media-stream=device-count=${camera ? 1 : 0}${rate ? `,fps=${rate}` : ''}`,
    '--auto-select-tab-capture-source-by-title=Visavis',
    ...(video ? [`--use-file-for-fake-video-capture=${video}`] : []),
    ...(audio ? [`--use-file-for-fake-audio-capture=${audio}`] : []),
  ]
}
