/** The app's one store, handed down by context: components take what they show from it and never talk to the worker. */
import { createContext } from 'svelte';
import type { Studio } from './studio.svelte.ts';

export const [getStudio, setStudio] = createContext<Studio>();
