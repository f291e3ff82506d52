/** libwebrtc, by way of the npm package @roamhq/wrtc. */
import wrtc from '@roamhq/wrtc'
import { serve, tell } from './lines.mjs'
import { w3c } from './w3c.mjs'

const { act, next } = w3c(wrtc.RTCPeerConnection)
void serve(act)
// The package says 65,535 where the interface has null.
const said = (/** @type {string} */ _, /** @type {unknown} */ value) => (value === 65_535 ? null : value)
for (;;) for (const happening of await next()) tell(happening['event'] === 'open' ? JSON.parse(JSON.stringify(happening), said) : happening)
