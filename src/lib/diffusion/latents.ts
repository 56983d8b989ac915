/**
 * Latents as the sampler sees them: one Float32Array of (planes, frames), where a plane is one channel and row of
 * one song of the batch, so (batch, channels, rows, T) flattened. All of it is plain arithmetic along frames.
 */
export type Latents = Float32Array;

/** Point on the straight path from data (sigma 0) to noise (sigma 1). */
export function mix(data: Latents, noise: Latents, sigma: number): Latents {
  const out = new Float32Array(data.length);
  for (let i = 0; i < out.length; i++) out[i] = (1 - sigma) * data[i]! + sigma * noise[i]!;
  return out;
}

/** Turns one noise towards another without changing its variance; `variance` 0 keeps the first, 1 takes the second. */
export function blend(noise: Latents, other: Latents, variance: number): Latents {
  const angle = (variance * Math.PI) / 2;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const out = new Float32Array(noise.length);
  for (let i = 0; i < out.length; i++) out[i] = cos * noise[i]! + sin * other[i]!;
  return out;
}

/** Frames [from, to) of every plane; frames outside the given ones are zero. */
export function cut(x: Latents, frames: number, from: number, to: number): Latents {
  const planes = x.length / frames;
  const width = to - from;
  const out = new Float32Array(planes * width);
  const begin = Math.max(0, from);
  const end = Math.min(frames, to);
  for (let p = 0; p < planes && begin < end; p++) {
    out.set(x.subarray(p * frames + begin, p * frames + end), p * width + begin - from);
  }
  return out;
}

/** Pieces with the same planes, one after the other in time. */
export function join(planes: number, pieces: readonly Latents[]): Latents {
  const frames = pieces.reduce((n, piece) => n + piece.length, 0) / planes;
  const out = new Float32Array(planes * frames);
  let at = 0;
  for (const piece of pieces) {
    const width = piece.length / planes;
    for (let p = 0; p < planes; p++) out.set(piece.subarray(p * width, (p + 1) * width), p * frames + at);
    at += width;
  }
  return out;
}

/** Where `mask` (one byte a frame) is set the first, elsewhere the second. */
export function choose(mask: Uint8Array, set: Latents, clear: Latents): Latents {
  const out = clear.slice();
  const frames = mask.length;
  for (let i = 0; i < out.length; i++) if (mask[i % frames] !== 0) out[i] = set[i]!;
  return out;
}

/** Directions of one frame of a song, orthonormal: channels x rows values each. */
export type Directions = readonly Float32Array[];

/** Without what lies along the directions, song by song and frame by frame. */
export function without(x: Latents, directions: Directions, frames: number): Latents {
  const out = x.slice();
  for (const direction of directions) {
    const along = new Float64Array(frames);
    for (let song = 0; song < x.length; song += direction.length * frames) {
      along.fill(0);
      direction.forEach((v, d) => {
        const at = song + d * frames;
        for (let t = 0; t < frames; t++) along[t]! += v * x[at + t]!;
      });
      direction.forEach((v, d) => {
        const at = song + d * frames;
        for (let t = 0; t < frames; t++) out[at + t]! -= v * along[t]!;
      });
    }
  }
  return out;
}

/** The same songs `batch` times over. */
export function repeat(x: Latents, batch: number): Latents {
  const out = new Float32Array(x.length * batch);
  for (let b = 0; b < batch; b++) out.set(x, b * x.length);
  return out;
}
