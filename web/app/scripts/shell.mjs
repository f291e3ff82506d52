// Emits `sw.js`, the service worker, with the list of the files that make up the shell and a version that changes
// whenever one of them does.
import { createHash } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const source = new URL('../src/worker.js', import.meta.url)
const publicFolder = fileURLToPath(new URL('../public/', import.meta.url))

/** @returns {import('vite').Plugin} */
export function shell() {
  return {
    name: 'visavis-shell',
    apply: 'build',
    enforce: 'post',
    generateBundle: {
      order: 'post',
      handler(_, bundle) {
        const hash = createHash('sha256')
        const files = ['/']
        for (const [name, part] of Object.entries(bundle).sort(([a], [b]) => (a < b ? -1 : 1))) {
          hash.update(name).update(part.type === 'chunk' ? part.code : part.source)
          if (!name.endsWith('.html')) files.push(`/${name}`)
        }
        for (const name of readdirSync(publicFolder).sort()) {
          hash.update(name).update(readFileSync(publicFolder + name))
          if (/\.(svg|webmanifest)$/.test(name)) files.push(`/${name}`)
        }
        const worker = readFileSync(source, 'utf8')
          .replace('__VERSION__', JSON.stringify(hash.digest('hex').slice(0, 12)))
          .replace('__FILES__', JSON.stringify(files))
        this.emitFile({ type: 'asset', fileName: 'sw.js', source: worker })
      },
    },
  }
}
