import { fileURLToPath } from 'node:url'
import solid from 'vite-plugin-solid'
import { defineConfig } from 'vitest/config'
import { shell } from './scripts/shell.mjs'

/** Where `visavis serve` listens while the page is developed. */
const server = process.env['VISAVIS_URL'] ?? 'http://127.0.0.1:8080'

export default defineConfig({
  plugins: [solid(), shell()],
  resolve: {
    alias: { '@visavis/client': fileURLToPath(new URL('../client/src', import.meta.url)) },
  },
  build: {
    target: ['es2022', 'chrome111', 'firefox115', 'safari16.4'],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    proxy: { '/ws': { target: server, ws: true }, '/api': { target: server } },
  },
  test: { include: ['test/*.test.ts'], environment: 'node' },
})
