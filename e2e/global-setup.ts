import { ensureSite } from '../scripts/site.mjs';

/** The tests drive the built site, as people get it. */
export default ensureSite;
