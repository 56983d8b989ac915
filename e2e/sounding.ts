/**
 * What a page sends to the audio clock: every buffer that is started or stopped, at which frame. The same calls,
 * rendered by the browser's own mixer into memory, are what would be heard.
 */
import type { Page } from '@playwright/test';

export interface Started {
  /** Frame of the clock, exact. */
  readonly at: number;
  readonly frames: number;
  /** Frame at which it was cut, if it was. */
  readonly cut: number | null;
}

/** Call before the page opens. */
export async function recordSound(page: Page): Promise<void> {
  await page.addInitScript(() => {
    interface Entry {
      readonly node: AudioBufferSourceNode;
      readonly when: number;
      stop: number | null;
    }
    const entries: Entry[] = [];
    const lanes = new Map<AudioNode, AudioNode>();
    Object.assign(window, { entries, lanes });
    const { connect } = AudioNode.prototype as { connect: (to: AudioNode, ...rest: number[]) => AudioNode };
    Object.assign(AudioNode.prototype, {
      connect(this: AudioNode, to: AudioNode, ...rest: number[]) {
        if (this instanceof AudioBufferSourceNode) lanes.set(this, to);
        return connect.call(this, to, ...rest);
      },
    });
    const { start, stop } = AudioBufferSourceNode.prototype;
    AudioBufferSourceNode.prototype.start = function (when = 0, ...rest: number[]) {
      if (!(this.context instanceof OfflineAudioContext)) entries.push({ node: this, when, stop: null });
      start.call(this, when, ...rest);
    };
    AudioBufferSourceNode.prototype.stop = function (when = 0) {
      const entry = entries.find(({ node }) => node === this);
      if (entry) entry.stop = when;
      stop.call(this, when);
    };
  });
}

/** What was started so far. */
export async function started(page: Page): Promise<readonly Started[]> {
  return page.evaluate(() => {
    const entries = Reflect.get(window, 'entries') as {
      node: AudioBufferSourceNode;
      when: number;
      stop: number | null;
    }[];
    return entries.map(({ node, when, stop }) => {
      const { sampleRate } = node.context;
      const frame = (seconds: number): number => Number((seconds * sampleRate).toFixed(6));
      return { at: frame(when), frames: node.buffer!.length, cut: stop === null ? null : frame(stop) };
    });
  });
}

/**
 * The left channel of all that was started, as the browser's own mixer plays it, from the first frame on. It runs at a power
 * of two, where every frame is an exact time: at 44.1 kHz one start in eight falls 1e-12 of a frame beside its frame, and
 * the mixer interpolates the last bit of what is nearly silent. At which frames things start, `started` tells.
 */
export async function rendered(page: Page): Promise<Float32Array> {
  const samples = await page.evaluate(async () => {
    const entries = Reflect.get(window, 'entries') as {
      node: AudioBufferSourceNode;
      when: number;
      stop: number | null;
    }[];
    const { sampleRate } = entries[0]!.node.context;
    const first = Math.round(entries[0]!.when * sampleRate);
    const last = Math.max(
      ...entries.map(({ node, when }) => Math.round(when * sampleRate) + node.buffer!.length),
    );
    const context = new OfflineAudioContext(2, last, 2 ** 16);
    const exact = (seconds: number): number => Math.round(seconds * sampleRate) / context.sampleRate;
    for (const { node, when, stop } of entries) {
      const { numberOfChannels, length } = node.buffer!;
      const copy = context.createBufferSource();
      copy.buffer = context.createBuffer(numberOfChannels, length, context.sampleRate);
      for (let c = 0; c < numberOfChannels; c++) copy.buffer.copyToChannel(node.buffer!.getChannelData(c), c);
      copy.connect(context.destination);
      copy.start(exact(when));
      if (stop !== null) copy.stop(exact(stop));
    }
    const buffer = await context.startRendering();
    return [...buffer.getChannelData(0).subarray(first)];
  });
  return Float32Array.from(samples);
}

/** Gain of each lane of what was started last: the nodes that the sources were connected to. */
export async function gains(page: Page): Promise<readonly number[]> {
  return page.evaluate(() => {
    const lanes = Reflect.get(window, 'lanes') as Map<AudioNode, GainNode>;
    const entries = Reflect.get(window, 'entries') as { node: AudioBufferSourceNode }[];
    return [...new Set(entries.slice(-2).map(({ node }) => lanes.get(node)!))].map(({ gain }) => gain.value);
  });
}
