import { mount } from 'svelte';
import './css/tokens.css';
import './css/base.css';
import './css/shell.css';
import './css/studio.css';
import './css/pages.css';
import './css/overlays.css';
import './css/listen.css';
import './css/narrow.css';
import { chooseLanguage, useLanguage } from './language.ts';
import { applyLook, createSettings } from './settings.svelte.ts';
import { pause } from './turns.ts';

const target = document.getElementById('app');
if (!target) throw new Error('index.html has no #app');
const settings = createSettings().current;
// Before the first paint of the app, so that a chosen theme does not flash the other one.
applyLook(settings);
// Before anything of the app is read: its modules take their words when they are loaded. No await at the top level: the
// app's chunk imports from this one, and would wait for its end.
void useLanguage(chooseLanguage(settings.language, navigator.languages))
  .then(() => import('./App.svelte'))
  .then(async ({ default: App }) => {
    await pause(); // reading the app's chunk was a task of its own
    mount(App, { target });
  });
