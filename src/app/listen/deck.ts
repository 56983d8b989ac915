/**
 * Plays passages of songs end to end, exact to the sample. A passage is read in pieces a few seconds ahead of what is
 * heard; each piece is started at a whole frame of the audio clock, so the last frame of one and the first frame of the
 * next follow each other without a gap, whatever songs they belong to. Nothing else is ever in memory.
 *
 * Every change, a seek, a loop, another queue, is the same act: at one frame of the clock the reel that plays is cut,
 * and another one goes on. Where it goes on with the same samples, nobody can hear it.
 */
import { atRate, type Samples, type Sound } from './sound.ts';

/** Part of a song, in frames of the context. Several sounds run in step, one lane each. */
export interface Passage<Song> {
  readonly song: Song;
  readonly sounds: readonly Sound[];
  readonly from: number;
  readonly to: number;
}

export interface Programme<Song> {
  readonly first: Passage<Song>;
  /** What follows a passage; asked a few seconds before it is heard. */
  after(passage: Passage<Song>): Promise<Passage<Song> | null>;
  /** Gain of each lane. */
  readonly gains: readonly number[];
}

/** A place in a passage, in frames. */
export interface Place<Song> {
  readonly passage: Passage<Song>;
  readonly frame: number;
}

/** Frames of a piece: 3 s at 44.1 kHz, 1 MB. */
export const PIECE = 2 ** 17;
const PIECES_KEPT = 12;
/** How far ahead pieces are started; a page in the background wakes up once a second. */
const HORIZON_SECONDS = 7;
/** From the decision to the cut: what the page needs to start the nodes in time. */
const MARGIN_SECONDS = 0.025;
const TICK_MS = 250;
/** Long enough for no click, short enough for no gap. */
export const FADE_SECONDS = 0.008;

interface Laid<Song> extends Place<Song> {
  /** Frame of the clock at which it is heard. */
  readonly at: number;
  readonly frames: number;
}

interface Reel<Song> {
  readonly programme: Programme<Song>;
  readonly out: GainNode;
  readonly lanes: readonly GainNode[];
  readonly nodes: Set<AudioBufferSourceNode>;
  laid: Laid<Song>[];
  /** Frame of the clock up to which everything is laid. */
  cursor: number;
  next: Place<Song>;
  /** Nothing follows. */
  done: boolean;
  laying: boolean;
}

export class Deck<Song> {
  readonly context: BaseAudioContext;
  /** Pieces that came too late for their frame since the deck was made: each is a gap that was heard. */
  stalls = 0;
  readonly #out: AudioNode;
  readonly #onEnd: () => void;
  readonly #onTrouble: (thrown: unknown) => void;
  readonly #pieces = new Pieces();
  #reel: Reel<Song> | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Counts starts, so that a slow one cannot replace a newer one. */
  #starts = 0;

  constructor(
    context: BaseAudioContext,
    out: AudioNode,
    on: { readonly end: () => void; readonly trouble: (thrown: unknown) => void },
  ) {
    this.context = context;
    this.#out = out;
    this.#onEnd = on.end;
    this.#onTrouble = on.trouble;
  }

  get now(): number {
    return Math.round(this.context.currentTime * this.context.sampleRate);
  }

  /** Everything that will be heard of the programme is started. */
  get waiting(): boolean {
    return this.#reel !== null && !this.#reel.done && this.#reel.cursor < this.now;
  }

  /** What sounds at a frame of the clock; null when nothing plays. */
  at(frame: number): Place<Song> | null {
    const { laid } = this.#reel ?? { laid: [] };
    const piece = laid.findLast(({ at }) => at <= frame) ?? laid[0];
    if (!piece) return null;
    return {
      passage: piece.passage,
      frame: piece.frame + Math.min(piece.frames, Math.max(0, frame - piece.at)),
    };
  }

  /**
   * Goes on with another programme, made from the place where the sound will be cut. With `fade` seconds the two cross;
   * with 0 they join, which is unheard when the samples are the same.
   */
  async play(make: (heard: Place<Song> | null) => Programme<Song>, fade: number): Promise<void> {
    const mine = ++this.#starts;
    const margin = Math.ceil(MARGIN_SECONDS * this.context.sampleRate);
    try {
      for (;;) {
        const cut = this.now + margin;
        const programme = make(this.at(cut));
        const { sounds, from, to } = programme.first;
        const needed = [from, Math.min(to - 1, from + 4 * margin)];
        if (needed.every((frame) => sounds.every((sound) => this.#pieces.kept(sound, frame))))
          return this.#begin(programme, cut, fade);
        for (const frame of needed) await Promise.all(sounds.map((sound) => this.#pieces.get(sound, frame)));
        if (mine !== this.#starts) return;
      }
    } catch (thrown) {
      if (mine === this.#starts) this.#fail(thrown);
    }
  }

  /** Gains of the lanes that play, moved within `seconds`. */
  mix(gains: readonly number[], seconds: number): void {
    const { currentTime } = this.context;
    this.#reel?.lanes.forEach(({ gain }, i) => {
      gain.cancelScheduledValues(currentTime);
      gain.setValueAtTime(gain.value, currentTime);
      gain.linearRampToValueAtTime(gains[i] ?? 1, currentTime + seconds);
    });
  }

  /** Silence, after a short fade. */
  stop(): void {
    this.#starts += 1;
    const reel = this.#reel;
    this.#reel = null;
    clearInterval(this.#timer);
    if (reel) this.#cut(reel, this.now, FADE_SECONDS);
  }

  #begin(programme: Programme<Song>, cut: number, fade: number): void {
    const { context } = this;
    const { sampleRate } = context;
    const out = context.createGain();
    out.connect(this.#out);
    const lanes = programme.first.sounds.map((_, i) => {
      const lane = context.createGain();
      lane.gain.value = programme.gains[i] ?? 1;
      lane.connect(out);
      return lane;
    });
    if (fade > 0) {
      out.gain.setValueAtTime(0, cut / sampleRate);
      out.gain.linearRampToValueAtTime(1, cut / sampleRate + fade);
    }
    const old = this.#reel;
    const { first } = programme;
    const reel: Reel<Song> = {
      programme,
      out,
      lanes,
      nodes: new Set(),
      laid: [],
      cursor: cut,
      next: { passage: first, frame: first.from },
      done: false,
      laying: false,
    };
    this.#reel = reel;
    if (old) this.#cut(old, cut, fade);
    clearInterval(this.#timer);
    this.#timer = setInterval(() => void this.#lay(reel), TICK_MS);
    void this.#lay(reel);
  }

  #cut(reel: Reel<Song>, frame: number, fade: number): void {
    const { sampleRate } = this.context;
    const at = frame / sampleRate;
    if (fade > 0) {
      reel.out.gain.cancelScheduledValues(at);
      reel.out.gain.setValueAtTime(1, at);
      reel.out.gain.linearRampToValueAtTime(0, at + fade);
    }
    for (const node of reel.nodes) node.stop(at + fade);
    reel.done = true;
  }

  async #lay(reel: Reel<Song>): Promise<void> {
    if (reel.laying) return;
    reel.laying = true;
    try {
      const ahead = HORIZON_SECONDS * this.context.sampleRate;
      reel.laid = reel.laid.filter(({ at, frames }) => at + frames > this.now - this.context.sampleRate);
      while (reel === this.#reel && !reel.done && reel.cursor < this.now + ahead) await this.#layNext(reel);
    } catch (thrown) {
      if (reel === this.#reel) this.#fail(thrown);
    } finally {
      reel.laying = false;
    }
  }

  async #layNext(reel: Reel<Song>): Promise<void> {
    const { passage, frame } = reel.next;
    if (frame >= passage.to) {
      const after = await reel.programme.after(passage);
      if (after) reel.next = { passage: after, frame: after.from };
      else this.#finish(reel);
      return;
    }
    // In one go when all is there: the first pieces of a reel must not wait for another turn of the event loop.
    const kept = passage.sounds.map((sound) => this.#pieces.kept(sound, frame));
    const pieces = kept.every((piece) => piece !== null)
      ? kept
      : await Promise.all(passage.sounds.map((sound) => this.#pieces.get(sound, frame)));
    if (reel !== this.#reel) return;
    const start = Math.floor(frame / PIECE) * PIECE;
    const to = Math.min(start + PIECE, passage.to);
    const soonest = this.now + Math.ceil(0.005 * this.context.sampleRate);
    if (reel.cursor < soonest && reel.laid.length > 0) {
      this.stalls += 1;
      reel.cursor = soonest;
    }
    pieces.forEach((samples, i) => this.#start(reel, reel.lanes[i]!, samples, frame - start, to - start));
    reel.laid.push({ passage, frame, at: reel.cursor, frames: to - frame });
    reel.cursor += to - frame;
    reel.next = { passage, frame: to };
  }

  /**
   * Starts frames [from, to) of a piece at the cursor. They get a buffer of their own: offsets and durations of a
   * node are seconds, and rounding them could lose a sample.
   */
  #start(reel: Reel<Song>, lane: GainNode, samples: Samples, from: number, to: number): void {
    const { context } = this;
    const length = Math.min(to, samples[0]?.length ?? 0) - from;
    if (length <= 0) return; // the shorter of two lanes has ended
    const buffer = context.createBuffer(samples.length, length, context.sampleRate);
    samples.forEach((channel, c) => buffer.copyToChannel(channel.subarray(from, from + length), c));
    const node = context.createBufferSource();
    node.buffer = buffer;
    node.connect(lane);
    reel.nodes.add(node);
    node.onended = () => {
      node.disconnect();
      reel.nodes.delete(node);
      if (reel.done && reel.nodes.size === 0) this.#leave(reel);
    };
    node.start(reel.cursor / context.sampleRate);
  }

  #finish(reel: Reel<Song>): void {
    reel.done = true;
    if (reel.nodes.size === 0) this.#leave(reel);
  }

  #leave(reel: Reel<Song>): void {
    reel.out.disconnect();
    if (reel !== this.#reel) return;
    this.#reel = null;
    clearInterval(this.#timer);
    this.#onEnd();
  }

  #fail(thrown: unknown): void {
    this.stop();
    this.#onTrouble(thrown);
  }
}

/** Pieces of sounds, the last dozen of them. */
class Pieces {
  readonly #kept: { readonly sound: Sound; readonly start: number; readonly samples: Samples }[] = [];

  kept(sound: Sound, frame: number): Samples | null {
    const start = startOf(frame);
    const at = this.#kept.findIndex((piece) => piece.sound === sound && piece.start === start);
    const [piece] = at < 0 ? [] : this.#kept.splice(at, 1);
    if (!piece) return null;
    this.#kept.push(piece);
    return piece.samples;
  }

  async get(sound: Sound, frame: number): Promise<Samples> {
    const kept = this.kept(sound, frame);
    if (kept) return kept;
    const start = startOf(frame);
    const samples =
      start >= sound.frames ? [] : await sound.read(start, Math.min(sound.frames, start + PIECE));
    this.#kept.push({ sound, start, samples });
    if (this.#kept.length > PIECES_KEPT) this.#kept.shift();
    return samples;
  }
}

const startOf = (frame: number): number => Math.floor(frame / PIECE) * PIECE;

/** Sounds at the rate of a context, each made once, so that pieces of it are found again. */
export class Rated {
  readonly #rate: number;
  readonly #made = new WeakMap<Sound, Sound>();

  constructor(rate: number) {
    this.#rate = rate;
  }

  of(sound: Sound): Sound {
    const made = this.#made.get(sound) ?? atRate(sound, this.#rate);
    this.#made.set(sound, made);
    return made;
  }
}
