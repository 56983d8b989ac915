/**
 * The response headers of the app, in one place: the development server, our static server and the service worker
 * send the same ones.
 */

/**
 * SharedArrayBuffer (threads of WebAssembly) needs the first two. `require-corp` and not `credentialless`: every
 * browser knows it, all our files come from our own origin, and fetches in CORS mode pass it.
 */
export const ISOLATION = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/**
 * Where official model files may be fetched from, when the user installs one: the publisher's host with what it
 * redirects to, a mirror, the lyric vocabulary's, and servers on the user's own machine. index.html repeats them.
 */
export const MODEL_HOSTS = [
  'https://huggingface.co',
  'https://*.huggingface.co',
  'https://*.hf.co',
  'https://hf-mirror.com',
  'https://raw.githubusercontent.com',
  'http://localhost:*',
  'http://127.0.0.1:*',
];

/**
 * Nothing leaves the origin, and no string becomes code. `wasm-unsafe-eval` compiles WebAssembly and nothing else;
 * inline styles are what the waveform draws itself with; blob: is a finished song in the player.
 */
export const POLICY = {
  'Content-Security-Policy': [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "worker-src 'self'",
    `connect-src 'self' blob: ${MODEL_HOSTS.join(' ')}`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self'",
    "media-src 'self' blob:",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};
