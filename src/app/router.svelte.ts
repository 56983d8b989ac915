/** Pages by hash: "#library". An unknown hash is the Studio. */
export const PAGES = ['studio', 'library', 'models', 'device'] as const;
/** Parts of the Studio: below 1024 pixels one of them is shown at a time. */
export type ViewId = 'compose' | 'song' | 'queue';
export type PageId = (typeof PAGES)[number];

/** Before the settings in the address of a link (link.ts). */
export const LINK_MARK = '#s=';
export const isLink = (hash: string): boolean => hash.startsWith(LINK_MARK);

const pageOf = (hash: string): PageId => PAGES.find((page) => hash === `#${page}`) ?? 'studio';

export class Router {
  page = $state<PageId>(pageOf(location.hash));
  view = $state<ViewId>('compose');

  /** Follows the address until the returned function is called. */
  listen(): () => void {
    const follow = (): void => {
      this.page = pageOf(location.hash);
    };
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }

  go(page: PageId): void {
    location.hash = page;
  }

  /** To this part of the Studio. */
  show(view: ViewId): void {
    this.view = view;
    this.go('studio');
  }
}
