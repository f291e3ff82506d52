/** Files to send. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

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
