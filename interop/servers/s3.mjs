/** A store for recordings that nobody here wrote: s3s-fs of the Rust registry. It keeps objects as files and checks every signature. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort, reaches } from './ports.mjs'

/** `scripts/deps test` builds it. */
const PROGRAM = fileURLToPath(new URL('../../.tools/s3s-fs/bin/s3s-fs', import.meta.url))

export class S3 {
  /** @type {import('node:child_process').ChildProcess | null} */
  #child = null
  #folder = mkdtempSync(path.join(tmpdir(), 'visavis-s3-'))

  /** What its users have in their environment. */
  environment = { AWS_ACCESS_KEY_ID: 'visavis', AWS_SECRET_ACCESS_KEY: 'a secret of this test', AWS_REGION: 'eu-west-1' }

  /** @param {number} port */
  constructor(port) {
    this.port = port
    this.url = `http://127.0.0.1:${port}`
  }

  /** Starts one that has a bucket. @param {string} bucket */
  static async with(bucket) {
    const store = new S3(await freePort())
    mkdirSync(path.join(store.#folder, bucket))
    await store.start()
    return store
  }

  /** Starts it, again after `halt`. */
  async start() {
    const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret } = this.environment
    const argv = ['--host', '127.0.0.1', '--port', String(this.port), '--access-key', id, '--secret-key', secret, this.#folder]
    const child = spawn(PROGRAM, argv, { stdio: process.env['INTEROP_LOUD'] ? 'inherit' : 'ignore' })
    this.#child = child
    while (!(await reaches(this.port))) if (child.exitCode !== null) throw new Error(`s3s-fs ended with ${child.exitCode}`)
  }

  /** The names of all objects of a bucket, in order. @param {string} bucket */
  objects(bucket) {
    const root = path.join(this.#folder, bucket)
    const entries = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    return entries.map((entry) => path.relative(root, path.join(entry.parentPath, entry.name))).sort()
  }

  /** Ends it; what is in it stays. */
  async halt() {
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  async stop() {
    await this.halt()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
