/**
 * Runs the tests of this folder, all or those that are named: `npm test -- engine turn calls`. One after the other,
 * because browsers need the machine for themselves.
 */
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'

const ALL = ['lab', 'negotiation', 'engine', 'engine-media', 'turn', 'calls', 'transfer', 'path', 'rooms', 'crowd', 'e2ee', 'whip', 'layers', 'recording', 'join', 'api', 'nat']

/** Nine pages that film, encode and paint: on fewer cores they lose each other. */
const CROWD_CORES = 8

const named = process.argv.slice(2)
const unknown = named.filter((name) => !ALL.includes(name))
if (unknown.length > 0) {
  console.error(`no tests called ${unknown.join(', ')}; there are: ${ALL.join(', ')}`)
  process.exit(2)
}
const possible = ALL.filter((name) => name !== 'crowd' || availableParallelism() >= CROWD_CORES)
if (named.length === 0 && possible.length < ALL.length) console.error(`left out: crowd, which needs ${CROWD_CORES} cores`)
const files = (named.length > 0 ? named : possible).map((name) => fileURLToPath(new URL(`${name}.test.mjs`, import.meta.url)))
const { status } = spawnSync(process.execPath, ['--test', '--test-concurrency=1', '--test-reporter=spec', ...files], { stdio: 'inherit' })
process.exit(status ?? 1)
