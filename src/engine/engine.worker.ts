import { expose, transferHandlers } from 'comlink';
import { buffersOf, isAudio, type AudioEvent } from '../lib/events.ts';
import { Engine } from './engine.ts';

// Sound is handed over, not copied; engine-client.ts has the other end of this handler.
transferHandlers.set('sound', {
  canHandle: isAudio,
  serialize: (event: AudioEvent) => [event, buffersOf(event) as ArrayBuffer[]], // made by the codec, never shared
  deserialize: (event: AudioEvent) => event,
});

expose(Engine);
