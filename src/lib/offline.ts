/** What the page and its service worker say to each other. Plain data, sent by postMessage. */

/** From the page. `precache` is answered on the message's port; URLs may be relative to the worker's scope. */
export type PageMessage =
  { readonly type: 'skip' } | { readonly type: 'precache'; readonly urls: readonly string[] };

/** To the page: any number of `progress`, then one of the other two. */
export type PrecacheAnswer =
  | { readonly type: 'progress'; readonly done: number; readonly total: number }
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly message: string };
