/** A browser for a test: started, and gone afterwards with everything it wrote. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { chromium } from './chromium.mjs'
import { firefox } from './firefox.mjs'

/**
 * @typedef {object} Options
 * @property {import('../lab/lab.mjs').Lab} [lab] The laboratory to run in, with `host`; this machine without.
 * @property {string} [host]
 * @property {string} [ca] A PEM file with an authority to trust.
 * @property {Record<string, string>} [names] Host names that the browser may look up, and their addresses.
 * @property {Media} [media] What Chromium's camera and microphone show; Firefox makes its own.
 * @property {string} [locale] The language of the browser, `en-US` by default.
 * @property {string[]} [args] More switches for Chromium.
 * @property {Record<string, string | number | boolean>} [prefs] More preferences for Firefox.
 *
 * @typedef {object} Media
 * @property {string} [video] A Y4M or MJPEG file.
 * @property {string} [audio] A WAV file.
 * @property {boolean} [camera] Whether there is one; true by default.
 * @property {number} [rate] Pictures a second of the browser's own camera.
 */

/** @typedef {'chromium' | 'firefox'} Kind */

/** The browsers of this process, for the case that it ends in the middle. @type {Set<Browser>} */
const running = new Set()
process.once('exit', () => {
  for (const browser of running) browser.kill()
})

export class Browser {
  /** @type {() => void} */
  #cleanUp

  /**
   * @param {Kind} kind
   * @param {import('puppeteer-core').Browser} puppet
   * @param {import('node:child_process').ChildProcess | null} child
   * @param {() => void} cleanUp
   */
  constructor(kind, puppet, child, cleanUp) {
    this.kind = kind
    this.puppet = puppet
    this.child = child
    this.#cleanUp = cleanUp
    running.add(this)
  }

  /**
   * Starts one.
   *
   * @param {Kind} kind
   * @param {Options} [options]
   */
  static async launch(kind, options = {}) {
    const home = mkdtempSync(path.join(tmpdir(), `visavis-${kind}-`))
    const remove = () => rmSync(home, { recursive: true, force: true, maxRetries: 3 })
    try {
      if (kind === 'chromium') {
        const puppet = await chromium(options, home)
        return new Browser(kind, puppet, puppet.process(), remove)
      }
      const { browser, child, close } = await firefox(options, home)
      return new Browser(kind, browser, child, () => {
        close()
        remove()
      })
    } catch (error) {
      remove()
      throw error
    }
  }

  /** Ends it and removes its profile. */
  async close() {
    running.delete(this)
    const gone = this.child && this.child.exitCode === null ? new Promise((resolve) => this.child?.once('exit', resolve)) : null
    await this.puppet.close().catch(() => this.child?.kill('SIGKILL'))
    await gone
    this.#cleanUp()
  }

  /** For the end of the process: at once, without waiting. */
  kill() {
    running.delete(this)
    this.child?.kill('SIGKILL')
    try {
      this.#cleanUp()
    } catch {
      // Its helpers may still be writing. An error here would keep the process from ending.
    }
  }
}
