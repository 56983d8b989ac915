/** A notice of the system, for those who asked for it and look elsewhere now. */
export function notify(text: string): void {
  if (!document.hidden || !('Notification' in window) || Notification.permission !== 'granted') return;
  try {
    new Notification(text, { icon: 'icons/icon-192.png', tag: 'cadenza' });
  } catch {
    // Android lets only a service worker show notices; there the badge of the tab has to do.
  }
}
