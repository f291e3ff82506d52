/** libwebrtc, by way of the npm package @roamhq/wrtc, in a process of its own because it does not end well. */
import wrtc from '@roamhq/wrtc'
import { theirs } from './theirs.mjs'

Object.assign(globalThis, { RTCPeerConnection: wrtc.RTCPeerConnection, MediaStream: wrtc.MediaStream })
process.on('message', async (/** @type {{ act: string, sdp?: string }} */ task) => {
  try {
    process.send?.({ said: await theirs(task) })
  } catch (error) {
    process.send?.({ error: String(error) })
  }
})
