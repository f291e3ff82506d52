// Puts a .br and a .gz beside every text file of the built page, prints what a first visit costs, and fails if that is
// more than the page may weigh.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

/** Bytes that scripts, styles and markup may take together, compressed by Brotli. */
const limit = 100_000
const folder = process.argv[2] ?? 'dist'
const compressible = /\.(html|js|css|svg|webmanifest|json|txt)$/
const counted = /\.(html|js|css)$/

let total = 0
const rows = []
for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name)
  if (!entry.isFile() || !compressible.test(entry.name)) continue
  const plain = readFileSync(path)
  const brotli = brotliCompressSync(plain, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 22, [constants.BROTLI_PARAM_SIZE_HINT]: plain.length },
  })
  const gzip = gzipSync(plain, { level: 9 })
  writeFileSync(`${path}.br`, brotli)
  writeFileSync(`${path}.gz`, gzip)
  if (counted.test(entry.name)) total += brotli.length
  rows.push([path.slice(folder.length + 1), plain.length, gzip.length, brotli.length])
}
const kilo = bytes => `${(bytes / 1000).toFixed(1)} kB`.padStart(10)
for (const [name, ...sizes] of rows.sort((a, b) => b[3] - a[3])) console.log(name.padEnd(34), ...sizes.map(kilo))
console.log(`scripts, styles and markup compressed: ${kilo(total).trim()} of ${kilo(limit).trim()}`)
if (total > limit) {
  console.error(`The page is too heavy by ${kilo(total - limit).trim()}.`)
  process.exit(1)
}
