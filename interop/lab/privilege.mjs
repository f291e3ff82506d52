/** Namespaces need root, or a user namespace in which one is root. */
import { spawnSync } from 'node:child_process'

const NESTED = 'INTEROP_LAB_NESTED'
const UNSHARE = ['--user', '--map-root-user', '--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']

/**
 * Returns if this process may make namespaces; else runs this program again where it may, and ends with its status.
 * Says what is missing where neither is possible.
 */
export function needRoot() {
  if (process.getuid?.() === 0) return prepareNested()
  if (spawnSync('unshare', [...UNSHARE, 'true']).status !== 0) {
    console.error('The laboratory makes network namespaces: run it as root, or allow user namespaces to ordinary users.')
    process.exit(77)
  }
  const again = [process.execPath, ...process.execArgv, ...process.argv.slice(1)]
  const { status } = spawnSync('unshare', [...UNSHARE, ...again], { stdio: 'inherit', env: { ...process.env, [NESTED]: '1' } })
  process.exit(status ?? 1)
}

/** In a user namespace of ours `ip netns` has nowhere to keep its names: give it a private /run. */
function prepareNested() {
  if (process.env[NESTED] !== '1') return
  delete process.env[NESTED]
  for (const argv of [['mount', '-t', 'tmpfs', 'tmpfs', '/run'], ['ip', 'link', 'set', 'lo', 'up']]) {
    const [file = '', ...args] = argv
    if (spawnSync(file, args, { stdio: 'inherit' }).status !== 0) process.exit(1)
  }
}
