/** The microphone: a recording from its first level to a file, and the words for when there is none. */
import { MAX_SECONDS } from './sources.ts';
import { TEXT } from './text.ts';

/** As the microphone hears it: what helps calls harms music. */
const PLAIN: MediaTrackConstraints = {
  echoCancellation: false,
  noiseSuppression: false,
  autoGainControl: false,
  channelCount: { ideal: 2 },
};
const BITS_PER_SECOND = 256_000;
const METER_MS = 50;

export class Recorder {
  state = $state<'idle' | 'asking' | 'recording' | 'done'>('idle');
  /** Peak of the last moment, 0..1. */
  level = $state(0);
  seconds = $state(0);
  /** Why it does not record; empty while it may. */
  problem = $state('');
  take = $state.raw<Blob | null>(null);

  #stop: (() => void) | null = null;

  async start(): Promise<void> {
    if (this.state === 'asking' || this.state === 'recording') return;
    this.discard();
    this.problem = '';
    // Insecure pages, and some embedded browsers, have none of these.
    const devices: MediaDevices | undefined = navigator.mediaDevices;
    if (!devices || typeof MediaRecorder === 'undefined') {
      this.problem = TEXT.sources.noRecorder;
      return;
    }
    this.state = 'asking';
    try {
      const stream = await devices.getUserMedia({ audio: PLAIN });
      // The dialog was closed while the browser asked.
      if (this.state !== 'asking') return stream.getTracks().forEach((track) => track.stop());
      this.#record(stream);
    } catch (thrown) {
      this.state = 'idle';
      this.problem = problemOf(thrown);
    }
  }

  stop(): void {
    this.#stop?.();
  }

  /** Forgets the take, and lets go of the microphone. */
  discard(): void {
    this.#stop?.();
    this.take = null;
    this.state = 'idle';
    this.seconds = 0;
    this.level = 0;
  }

  #record(stream: MediaStream): void {
    const recorder = new MediaRecorder(stream, { audioBitsPerSecond: BITS_PER_SECOND });
    const parts: Blob[] = [];
    const context = new AudioContext();
    const analyser = new AnalyserNode(context, { fftSize: 2048 });
    context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const began = performance.now();
    const meter = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      this.level = Math.min(
        1,
        samples.reduce((top, x) => Math.max(top, Math.abs(x)), 0),
      );
      this.seconds = (performance.now() - began) / 1000;
      if (this.seconds >= MAX_SECONDS) this.stop();
    }, METER_MS);
    const release = (): void => {
      clearInterval(meter);
      stream.getTracks().forEach((track) => track.stop());
      void context.close();
      this.#stop = null;
      this.level = 0;
    };
    this.#stop = () => {
      if (recorder.state !== 'inactive') recorder.stop();
      release();
    };
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.onstop = () => {
      if (this.state !== 'recording') return; // discarded
      this.take = new Blob(parts, { type: recorder.mimeType });
      this.state = 'done';
    };
    recorder.onerror = () => {
      this.problem = TEXT.sources.micStopped;
      this.stop();
    };
    // Unplugged, or taken away in the browser's own settings: what there is is kept.
    stream.getTracks().forEach((track) => track.addEventListener('ended', () => this.stop()));
    recorder.start();
    this.state = 'recording';
  }
}

const PROBLEMS: Readonly<Record<string, 'micDenied' | 'micNone' | 'micBusy'>> = {
  NotAllowedError: 'micDenied',
  SecurityError: 'micDenied',
  NotFoundError: 'micNone',
  OverconstrainedError: 'micNone',
  NotReadableError: 'micBusy',
  AbortError: 'micBusy',
};

function problemOf(thrown: unknown): string {
  const name = thrown instanceof DOMException ? thrown.name : '';
  const known = PROBLEMS[name];
  return known ? TEXT.sources[known] : TEXT.sources.micFailed(String(thrown));
}
