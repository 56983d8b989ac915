/** What happened, line by line, for the Device page and for reports. Stays in this tab. */
import type { EngineEvent } from '../lib/events.ts';

const MOST = 400;

export class Log {
  lines = $state.raw<readonly string[]>([]);

  add(source: string, text: string): void {
    const time = new Date().toISOString().slice(11, 23);
    this.lines = [...this.lines.slice(1 - MOST), `${time} ${source.padEnd(8)} ${text}`];
  }

  event(event: EngineEvent): void {
    switch (event.type) {
      case 'load':
        return this.add(
          'host',
          `${event.graph} ${event.provider} ${event.dtype} ready in ${Math.round(event.ms)} ms, ${event.bytes} bytes`,
        );
      case 'stage':
        return this.add('task', event.stage);
      case 'step':
        return this.add(
          'denoise',
          `step ${event.step}/${event.steps}, sigma ${event.sigma.toFixed(3)}, ${Math.round(event.ms)} ms`,
        );
      case 'plan':
        return this.add('plan', `${event.bpm} bpm, ${event.key}, ${event.meter}, ${event.chords}`);
      case 'notice':
        return this.add('notice', `${event.code}: ${event.text}`);
      case 'download':
        return event.loaded >= event.total
          ? this.add('fetch', `${event.file}, ${event.total} bytes`)
          : undefined;
      case 'saved':
      case 'schedule':
      case 'audio':
        return undefined;
    }
  }
}
