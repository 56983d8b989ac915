import { expose } from 'comlink';
import { Models } from './models.ts';

expose(Models);
