/** The keyboard: what is pressed, looked up in the table of commands. Single keys never work while somebody types. */
import { COMMANDS, commandOf, type Command, type CommandId } from './commands.ts';
import type { Studio } from './studio.svelte.ts';
import { named, TEXT } from './text.ts';

type Press = Pick<
  KeyboardEvent,
  'key' | 'code' | 'ctrlKey' | 'metaKey' | 'altKey' | 'shiftKey' | 'isComposing'
>;

const BRACKETS: Readonly<Record<string, string>> = { BracketLeft: '[', BracketRight: ']' };

/**
 * The press as the table writes it. A letter of another script counts as the key that it lies on, and signs carry no
 * Shift, because layouts differ in where they need it.
 */
export function pressed({ key, code, ctrlKey, metaKey, altKey, shiftKey }: Press): string {
  const letter = /^Key([A-Z])$/u.exec(code)?.[1];
  const latin = /^[a-z]$/iu.test(key);
  const name =
    key === ' '
      ? 'Space'
      : latin
        ? key.toUpperCase()
        : letter && (altKey || /^\p{L}$/u.test(key))
          ? letter
          : altKey
            ? (BRACKETS[code] ?? key) // with ⌥ they write quotation marks
            : key;
  const sign = name.length === 1 && !/[A-Z]/u.test(name);
  return [(ctrlKey || metaKey) && 'Mod', altKey && 'Alt', shiftKey && !sign && 'Shift', name]
    .filter((part) => part !== false)
    .join(' ');
}

/** The command that a press stands for now; null where there is none. */
export function commandFor(
  press: string,
  able: (command: Command) => boolean,
  commands = COMMANDS,
): Command | null {
  return commands.find((command) => command.keys === press && able(command)) ?? null;
}

/** True where a control has a use of its own for arrows, Space and letters. */
function taken(target: EventTarget | null, press: string): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.closest('dialog')) return true;
  if (
    target.isContentEditable ||
    target instanceof HTMLTextAreaElement ||
    target instanceof HTMLSelectElement
  )
    return true;
  const moves = /Arrow|Home|End|Space|Page/u.test(press);
  if (target instanceof HTMLInputElement)
    return !['range', 'checkbox', 'radio'].includes(target.type) || moves;
  // Roles whose own keys the page implements: trees, lists, sliders of regions.
  if (moves && target.closest('[role=listbox],[role=tree],[role=slider],[role=grid],[role=menu]'))
    return true;
  return press === 'Space' && target.closest('button, a, summary') !== null;
}

/** Answers the keyboard until the returned function is called. */
export function listenKeys(studio: Studio): () => void {
  const able = ({ when }: Command): boolean => when?.(studio) ?? true;
  const keydown = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.isComposing) return;
    const press = pressed(event);
    const withMod = press.startsWith('Mod ');
    const typing = taken(event.target, press);
    if (typing && (!withMod || /^Mod (Shift )?[ZY]$/u.test(press))) return; // undo belongs to the text
    if (!withMod && !studio.settings.current.singleKeys) return;
    const command = commandFor(press, able);
    if (!command) return;
    event.preventDefault();
    if (event.repeat && !command.repeats) return;
    command.run(studio);
  };
  addEventListener('keydown', keydown);
  return () => removeEventListener('keydown', keydown);
}

const SIGNS: Readonly<Record<string, string>> = {
  ArrowLeft: '←',
  ArrowRight: '→',
  ArrowUp: '↑',
  ArrowDown: '↓',
  '-': '−',
};
const APPLE: Readonly<Record<string, string>> = { Mod: '⌘', Shift: '⇧', Alt: '⌥', Enter: '↵', Delete: '⌦' };

const onApple = (): boolean =>
  typeof navigator !== 'undefined' && /Mac|iPhone|iPad/u.test(navigator.platform);

/** The keys as their caps say: ['Ctrl', 'Enter'], on Apple ['⌘', '↵']. */
export const caps = (keys: string, apple = onApple()): readonly string[] =>
  keys.split(' ').map((key) => (apple && APPLE[key]) || SIGNS[key] || named(TEXT.keys.caps, key));

/** For a title: "Ctrl Enter"; empty for a command without keys. */
export const keysOf = (id: CommandId): string => caps(commandOf(id)?.keys ?? '').join(' ');
