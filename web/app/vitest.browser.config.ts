import { defineConfig } from 'vitest/config'

/** Real calls in real browsers, on the page as it is built: `npm run browser`. */
export default defineConfig({
  test: { include: ['test/browser/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 90_000, fileParallelism: false },
})
