/** libwebrtc, by way of the npm package @roamhq/wrtc. */
import wrtc from '@roamhq/wrtc'
import { exchange, task } from './exchange.mjs'

console.log(JSON.stringify(await exchange(wrtc.RTCPeerConnection, task())))
process.exit(0)
