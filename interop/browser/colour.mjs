/** Cameras of tests: one that films one colour, so that a test can tell whose picture it sees, and a small one. */

/**
 * Runs in the page: whoever asks for a camera gets a canvas of that colour, on which something moves; large enough for
 * a browser to send it in two sizes.
 *
 * @param {number} hue 0 to 359
 */
export function paintCamera(hue) {
  const { mediaDevices } = navigator
  if (!mediaDevices) return
  const getUserMedia = mediaDevices.getUserMedia.bind(mediaDevices)
  mediaDevices.getUserMedia = async (constraints = {}) => {
    if (!constraints.video) return getUserMedia(constraints)
    // The permission is asked for all the same.
    const real = await getUserMedia(constraints)
    const [camera] = real.getVideoTracks()
    const canvas = document.createElement('canvas')
    canvas.width = 640
    canvas.height = 360
    const paint = canvas.getContext('2d')
    const [track] = canvas.captureStream(15).getVideoTracks()
    if (!paint || !track || !camera) return real
    const draw = () => {
      const turn = (Date.now() % 2000) / 2000
      for (let i = 0; i < 12; i++) {
        paint.fillStyle = `hsl(${hue} 80% ${30 + ((i * 7) % 40)}%)`
        paint.fillRect(i * 54, 0, 54, 360)
      }
      paint.fillStyle = '#fff'
      paint.fillRect(turn * 640, 160, 40, 40)
    }
    draw()
    const timer = setInterval(draw, 66)
    const settings = camera.getSettings()
    const { label } = camera
    const stop = track.stop.bind(track)
    Object.defineProperties(track, {
      label: { value: label },
      getSettings: { value: () => ({ ...settings, width: 640, height: 360 }) },
      stop: { value: () => { clearInterval(timer); camera.stop(); stop() } },
    })
    return new MediaStream([track])
  }
}

/**
 * Runs in the page: the browser's own camera, no larger and no faster than the painted one. Several browsers share
 * the cores that one person has alone.
 */
export function smallCamera() {
  const { mediaDevices } = navigator
  if (!mediaDevices) return
  const getUserMedia = mediaDevices.getUserMedia.bind(mediaDevices)
  mediaDevices.getUserMedia = ({ audio, video } = {}) => {
    const asked = typeof video === 'object' ? video : {}
    return getUserMedia({ audio: audio ?? false, video: video ? { ...asked, width: 640, height: 360, frameRate: 15 } : false })
  }
}
