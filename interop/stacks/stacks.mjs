/** The foreign stacks, and how to run them. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const file = (/** @type {string} */ name) => fileURLToPath(new URL(name, import.meta.url))

/** Debian's modules, on the path where Debian's own builds look for them. */
const GOPATH = '/usr/share/gocode'

/**
 * @typedef {object} Stack
 * @property {string} name
 * @property {('udp' | 'tcp' | 'tls')[]} ways The ways it knows to a TURN server, and can be made to trust.
 * @property {() => string | false} missing What has to be installed first, if anything.
 * @property {(folder: string) => string[]} prepare The command to run; what has to be built is put into the folder.
 */

/** @type {Stack[]} */
export const STACKS = [
  {
    name: 'libwebrtc (@roamhq/wrtc)',
    // It trusts the authorities that were compiled into it and no other, so no TLS here; browsers show that.
    ways: ['udp', 'tcp'],
    missing: () => false,
    prepare: () => [process.execPath, file('libwebrtc.mjs')],
  },
  {
    name: 'libdatachannel (node-datachannel)',
    ways: ['udp'],
    missing: () => false,
    prepare: () => [process.execPath, file('libdatachannel.mjs')],
  },
  {
    name: 'aiortc',
    ways: ['udp', 'tcp', 'tls'],
    missing: () => spawnSync('/usr/bin/python3', ['-c', 'import aiortc']).status !== 0 && 'needs the package python3-aiortc',
    prepare: () => ['/usr/bin/python3', file('aiortc_peer.py')],
  },
  {
    name: 'Pion',
    ways: ['udp', 'tcp', 'tls'],
    missing: () => !(existsSync(`${GOPATH}/src/github.com/pion/webrtc`) && spawnSync('go', ['version']).status === 0) && 'needs the packages golang-go and golang-github-pion-webrtc.v3-dev',
    prepare: pion,
  },
]

/** @param {string} folder */
function pion(folder) {
  return [build(file('pion'), path.join(folder, 'pion'))]
}

/** Builds a program for Pion, once. @param {string} source its folder @param {string} program where it goes */
export function build(source, program) {
  if (existsSync(program)) return program

  const env = { ...process.env, GO111MODULE: 'off', GOPATH, GOFLAGS: '' }
  const { status, stderr } = spawnSync('go', ['build', '-o', program, '.'], { cwd: source, env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`Pion's peer does not build:\n${stderr}`)
  return program
}
