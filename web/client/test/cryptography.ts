/**
 * Counts what the browser's cryptography has still to do, so that virtual time can wait for it; and makes safety codes in
 * a moment, because what is slow on purpose would be waited for at every step.
 */
let count = 0
let quick = false

/** From now on safety codes are made in a moment. */
export function hurry(): void { quick = true }

/** Operations under way. */
export function pending(): number { return count }

const methods = ['decrypt', 'deriveBits', 'encrypt', 'exportKey', 'generateKey', 'importKey', 'sign', 'verify'] as const
for (const method of methods) {
  const original = crypto.subtle[method] as (...args: unknown[]) => Promise<unknown>
  Object.defineProperty(crypto.subtle, method, {
    value: async (first: { name?: string }, ...rest: unknown[]) => {
      count++
      try {
        return await original.apply(crypto.subtle, [quick && first.name === 'PBKDF2' ? { ...first, iterations: 1 } : first, ...rest])
      } finally {
        count--
      }
    },
  })
}
