/** What rows of the library carry while they are dragged within the app: ids with spaces between. */
export const SONGS_TYPE = 'application/x-cadenza-songs';
