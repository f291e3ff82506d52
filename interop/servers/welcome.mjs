/** Says hello as a page does and prints the TURN credentials of the welcome: `node welcome.mjs wss://HOST/ws`. */
import WebSocket from 'ws'

const [url = ''] = process.argv.slice(2)
const socket = new WebSocket(url, { origin: new URL(url.replace(/^ws/, 'http')).origin })
socket.on('open', () => socket.send(JSON.stringify({ type: 'hello', protocol: 1, name: 'Interop', identity: null, resume: null })))
socket.on('message', (data) => {
  const message = JSON.parse(String(data))
  if (message.type !== 'welcome') throw new Error(`no welcome but ${String(data)}`)
  const turn = message.iceServers.find((/** @type {RTCIceServer} */ { username }) => username)
  console.log(JSON.stringify({ username: turn.username, credential: turn.credential, urls: message.iceServers.flatMap((/** @type {RTCIceServer} */ { urls }) => urls) }))
  process.exit(0)
})
