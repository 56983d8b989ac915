import { mount } from 'svelte';
import App from './App.svelte';
import './css/tokens.css';
import './css/base.css';
import './css/shell.css';
import './css/studio.css';
import './css/pages.css';
import './css/overlays.css';
import './css/narrow.css';
import { applyTheme, createSettings } from './settings.svelte.ts';

const target = document.getElementById('app');
if (!target) throw new Error('index.html has no #app');
// Before the first paint of the app, so that a chosen theme does not flash the other one.
applyTheme(createSettings().current.theme);
mount(App, { target });
