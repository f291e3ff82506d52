/** Files to send, and one to speak. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { command } from '../lab/namespaces.mjs'

/**
 * A file of random bytes, removed after the test.
 *
 * @param {import('node:test').TestContext} t
 * @param {number} size
 */
export function randomFile(t, size) {
  const folder = mkdtempSync(path.join(tmpdir(), 'visavis-file-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const bytes = randomBytes(size)
  const name = `random ${bytes.subarray(0, 4).toString('hex')}.bin`
  const file = path.join(folder, name)
  writeFileSync(file, bytes)
  return { path: file, name, size, sha256: createHash('sha256').update(bytes).digest('hex') }
}

/**
 * What a microphone hears of somebody who speaks, for `Media.audio`: syllables, a tone that comes and goes four times a
 * second. Chromium's own beep is so short that hardly anybody would say that it speaks.
 *
 * @param {string} folder
 */
export function syllables(folder) {
  const file = path.join(folder, 'voice.wav')
  command(['ffmpeg', '-loglevel', 'error', '-y', '-f', 'lavfi', '-i', 'sine=frequency=220:duration=8,tremolo=f=4:d=0.7,volume=6dB', '-ar', '48000', file])
  return file
}
