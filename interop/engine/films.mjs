/** What is sent as sound and pictures by stacks that have no encoders: files of frames, and a look at what came of them. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** Its folder; gone at the end. @type {string | undefined} */
let folder
process.once('exit', () => folder && rmSync(folder, { recursive: true, force: true }))

/** @param {string} program @param {string[]} args */
function command(program, args) {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: folder, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`)
  return stdout
}

/** The container IVF, for frames of any kind. @param {string} name @param {string} codec four letters @param {number} rate frames in a second @param {Buffer[]} frames */
function ivf(name, codec, rate, frames) {
  const header = Buffer.alloc(32)
  header.write('DKIF\0\0\x20\0' + codec, 'latin1')
  for (const [at, value] of [[16, rate], [20, 1], [24, frames.length]]) header.writeUInt32LE(/** @type {number} */ (value), at)
  const whole = frames.map((frame, n) => {
    const before = Buffer.alloc(12)
    before.writeUInt32LE(frame.length, 0)
    before.writeUInt32LE(n, 4)
    return Buffer.concat([before, frame])
  })
  const file = path.join(folder ?? '', name)
  writeFileSync(file, Buffer.concat([header, ...whole]))
  return file
}

/** The access units of a byte stream in which each begins with a delimiter (ITU-T H.264 section 7.3.2.4). @param {Buffer} stream */
function units(stream) {
  const starts = []
  const delimiter = Buffer.from([0, 0, 0, 1, 9])
  for (let at = stream.indexOf(delimiter); at >= 0; at = stream.indexOf(delimiter, at + 1)) starts.push(at)
  return starts.map((start, n) => stream.subarray(start, starts[n + 1]))
}

/** The packets of an Ogg file (RFC 3533 section 6) behind the two of the header of Opus. @param {Buffer} file */
function packets(file) {
  /** @type {Buffer[]} */
  const found = []
  let parts = []
  for (let at = 0; at < file.length; ) {
    const lacing = file.subarray(at + 27, at + 27 + (file[at + 26] ?? 0))
    at += 27 + lacing.length
    for (const length of lacing) {
      parts.push(file.subarray(at, at + length))
      at += length
      if (length < 255) found.push(Buffer.concat(parts.splice(0)))
    }
  }
  return found.slice(2)
}

/** @type {{ VP8: string, H264: string, audio: string } | undefined} */
let made

/** Four seconds of a test picture and of a tone, made once. */
export function films() {
  if (made) return made
  folder = mkdtempSync(path.join(tmpdir(), 'visavis-films-'))
  const picture = ['-v', 'error', '-f', 'lavfi', '-i', 'testsrc=size=320x240:rate=25:duration=4']
  command('ffmpeg', [...picture, '-c:v', 'libvpx', '-b:v', '300k', '-g', '10', '-deadline', 'realtime', 'vp8.ivf'])
  const h264 = ['-c:v', 'libx264', '-profile:v', 'baseline', '-pix_fmt', 'yuv420p', '-b:v', '300k', '-g', '10', '-tune', 'zerolatency', '-x264-params', 'aud=1:repeat-headers=1', 'h264.264']
  command('ffmpeg', [...picture, ...h264])
  command('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'sine=frequency=440:duration=4', '-ac', '2', '-c:a', 'libopus', '-frame_duration', '20', 'opus.ogg'])
  const read = (/** @type {string} */ name) => readFileSync(path.join(folder ?? '', name))
  return (made = {
    VP8: path.join(folder, 'vp8.ivf'),
    H264: ivf('h264.ivf', 'H264', 25, units(read('h264.264'))),
    audio: ivf('opus.ivf', 'OPUS', 50, packets(read('opus.ogg'))),
  })
}

/** A name for what comes. @param {string} codec */
export const recording = (codec) => path.join(folder ?? '', codec === 'VP8' ? 'came.ivf' : 'came.264')

/** Decodes what came, all of it without an error; how many pictures and pieces of sound there are. @param {string} file */
export function decoded(file) {
  const count = (/** @type {string} */ file) => {
    command('ffmpeg', ['-v', 'error', '-xerror', '-i', file, '-f', 'null', '-'])
    return Number(JSON.parse(command('ffprobe', ['-v', 'error', '-count_frames', '-show_streams', '-of', 'json', file])).streams[0].nb_read_frames)
  }
  return { pictures: count(file), sounds: count(`${file}.ogg`) }
}
