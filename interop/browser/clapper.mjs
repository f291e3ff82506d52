/** A camera and a microphone that clap: a white flash and a tone at the same moment, to see whether they stay together. */

/** Between two claps, and how long one lasts, in milliseconds. */
export const CLAP = { every: 2000, lasts: 400, tone: 1000 }

/**
 * Runs in the page: whoever asks for devices gets a dark canvas and silence, which turn white and loud together.
 *
 * @param {typeof CLAP} clap
 */
export function paintClapper({ every, lasts, tone }) {
  const { mediaDevices } = navigator
  if (!mediaDevices) return
  const getUserMedia = mediaDevices.getUserMedia.bind(mediaDevices)
  /** @type {{ picture: MediaStreamTrack, sound: MediaStreamTrack } | null} */
  let made = null
  const make = () => {
    const canvas = document.createElement('canvas')
    canvas.width = 640
    canvas.height = 360
    const paint = canvas.getContext('2d')
    const context = new AudioContext({ latencyHint: 'interactive' })
    const [oscillator, gain, out] = [context.createOscillator(), context.createGain(), context.createMediaStreamDestination()]
    oscillator.frequency.value = tone
    gain.gain.value = 0
    oscillator.connect(gain).connect(out)
    oscillator.start()
    const [picture] = canvas.captureStream(30).getVideoTracks()
    const [sound] = out.stream.getAudioTracks()
    if (!paint || !picture || !sound) return null
    let loud = false
    let count = 0
    setInterval(() => {
      const on = Date.now() % every < lasts
      if (on !== loud) gain.gain.setValueAtTime(on ? 0.5 : 0, context.currentTime)
      loud = on
      paint.fillStyle = on ? '#fff' : '#103010'
      paint.fillRect(0, 0, 640, 360)
      // Something must move for a picture to be taken.
      paint.fillStyle = '#888'
      paint.fillRect(count++ % 600, 0, 8, 8)
    }, 33)
    return { picture, sound }
  }
  mediaDevices.getUserMedia = async (constraints = {}) => {
    // The permission is asked for all the same.
    const real = await getUserMedia(constraints)
    made ??= make()
    if (!made) return real
    const take = (/** @type {MediaStreamTrack} */ track, /** @type {MediaStreamTrack | undefined} */ instead) => {
      const copy = track.clone()
      const [settings, label] = [instead?.getSettings() ?? {}, instead?.label ?? '']
      Object.defineProperties(copy, { label: { value: label }, getSettings: { value: () => settings } })
      return copy
    }
    return new MediaStream([
      ...(constraints.video ? [take(made.picture, real.getVideoTracks()[0])] : []),
      ...(constraints.audio ? [take(made.sound, real.getAudioTracks()[0])] : []),
    ])
  }
}
