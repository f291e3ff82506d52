/**
 * The other side of a negotiation, in a page or in Node. Stands alone, because its text goes into the page.
 *
 * @param {{ act: string, sdp?: string }} task
 * @returns {Promise<string>}
 */
export async function theirs({ act, sdp = '' }) {
  const scope = /** @type {{ pc: RTCPeerConnection, RTCPeerConnection: typeof RTCPeerConnection, MediaStream: typeof MediaStream }} */ (/** @type {unknown} */ (globalThis))
  const local = async () => {
    // libwebrtc's package wants to be told what is due.
    await scope.pc.setLocalDescription(await (scope.pc.signalingState === 'have-remote-offer' ? scope.pc.createAnswer() : scope.pc.createOffer()))
    return scope.pc.localDescription?.sdp ?? ''
  }
  const stream = () => ({ streams: [new scope.MediaStream()] })
  switch (act) {
    case 'new':
      scope.pc = new scope.RTCPeerConnection()
      return ''
    case 'audio':
    case 'video':
      scope.pc.addTransceiver(act, stream())
      return ''
    case 'simulcast':
      scope.pc.addTransceiver('video', { ...stream(), sendEncodings: ['h', 'm', 'l'].map((rid) => ({ rid })) })
      return ''
    case 'data':
      scope.pc.createDataChannel('test')
      return ''
    case 'restart':
      scope.pc.restartIce()
      return ''
    case 'stop':
      scope.pc.getTransceivers()[0]?.stop()
      return ''
    case 'offer':
      return local()
    case 'answer':
      await scope.pc.setRemoteDescription({ type: 'offer', sdp }).catch(async (error) => {
        // libwebrtc's package does not roll back by itself.
        if (error.name !== 'InvalidStateError') throw error
        await scope.pc.setLocalDescription({ type: 'rollback', sdp: '' })
        await scope.pc.setRemoteDescription({ type: 'offer', sdp })
      })
      for (const transceiver of scope.pc.getTransceivers()) {
        if (transceiver.currentDirection !== 'stopped' && transceiver.direction === 'recvonly') transceiver.direction = 'sendrecv'
      }
      return local()
    case 'take':
      await scope.pc.setRemoteDescription({ type: 'answer', sdp })
      return ''
    case 'agreed': {
      const live = scope.pc.getTransceivers().filter((t) => t.mid !== null && t.currentDirection !== 'stopped' && t.currentDirection !== null)
      return scope.pc.signalingState + ' ' + live.map((t) => `${t.mid} ${t.currentDirection}`).join(';')
    }
    case 'close':
      scope.pc.close()
      return ''
    default:
      throw new Error(act)
  }
}
