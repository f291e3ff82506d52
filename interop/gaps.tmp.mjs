import { spawnSync } from 'node:child_process'
const r = spawnSync(process.execPath, ['--test', '--test-reporter=spec', '--test-name-pattern=from a call of two|two are in a call|it is a call again', 'rooms.test.mjs'], { stdio: 'inherit' })
