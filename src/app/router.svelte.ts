/** Pages by hash: "#library". An unknown hash is the Studio. */
export const PAGES = ['studio', 'library', 'models', 'device'] as const;
export type PageId = (typeof PAGES)[number];

const pageOf = (hash: string): PageId => PAGES.find((page) => hash === `#${page}`) ?? 'studio';

export class Router {
  page = $state<PageId>(pageOf(location.hash));

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
}
