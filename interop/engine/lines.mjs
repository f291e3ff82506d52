/** Lines of JSON on the standard streams, for a stack that is a program: tasks come in, answers and events go out. */
import { createInterface } from 'node:readline'

/** @param {import('./w3c.mjs').Happening} happening */
export const tell = (happening) => void process.stdout.write(`${JSON.stringify(happening)}\n`)

/** @param {(task: import('./w3c.mjs').Task) => unknown} act */
export async function serve(act) {
  for await (const line of createInterface({ input: process.stdin })) {
    const task = JSON.parse(line)
    try {
      tell({ id: task.id, said: (await act(task)) ?? null })
    } catch (error) {
      tell({ id: task.id, error: String(error) })
    }
  }
  // Neither package ends well by itself.
  process.kill(process.pid, 'SIGKILL')
}
