// Which paths and links a package may carry: those that mean the same place, below the folder, on every machine.

/** Linux walks no longer path (PATH_MAX, with its final zero). */
export const MAX_PATH_BYTES = 4095;

/** What is wrong with a path that is relative to the package's folder, undefined when it may travel. */
export function wrongPath(path: string): string | undefined {
  if (path === '') return 'an empty name';
  if (path.startsWith('/')) return 'an absolute path';
  if (path.includes('\0')) return 'a name with a NUL in it';
  if (!path.isWellFormed()) return 'a name that is not Unicode';
  const parts = path.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..')) {
    return "a path with '.', '..' or nothing between its slashes";
  }
  return utf8Length(path) > MAX_PATH_BYTES ? `a path of more than ${MAX_PATH_BYTES} bytes` : undefined;
}

/**
 * What is wrong with the target of a symbolic link at `path`. It may begin with `..` as often as it stays within the
 * folder, and have none later: so it stays within whatever other links it goes through, since each of those starts
 * from a real folder, too.
 */
export function wrongLink(path: string, to: string): string | undefined {
  if (to === '') return 'a link to nothing';
  if (to.startsWith('/')) return `a link to the absolute path ${to}`;
  if (to.includes('\0') || !to.isWellFormed()) return 'a link to a name that is not Unicode';
  if (utf8Length(to) > MAX_PATH_BYTES) return `a link of more than ${MAX_PATH_BYTES} bytes`;
  const parts = to.split('/');
  const ups = parts.findIndex((part) => part !== '..');
  const rising = ups < 0 ? parts.length : ups;
  if (rising > path.split('/').length - 1) return `a link that leads outside, to ${to}`;
  const rest = parts.slice(rising);
  // A trailing slash is how people write folders.
  if (rest.at(-1) === '') rest.pop();
  if (rest.some((part) => part === '..' || part === '')) return `a link that turns back on its way, to ${to}`;
  return undefined;
}

const WINDOWS_DEVICE = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)/i;
// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what Windows refuses
const WINDOWS_CHARACTERS = /[\u0000-\u001f<>:"|?*\\]/;

/** Why Windows has no such name, undefined when it has ("Naming Files, Paths, and Namespaces", Microsoft Learn). */
export function windowsRefuses(path: string): string | undefined {
  for (const part of path.split('/')) {
    if (WINDOWS_DEVICE.test(part)) return 'is the name of a device on Windows';
    if (WINDOWS_CHARACTERS.test(part)) return 'has a character that Windows keeps for itself';
    if (/[. ]$/.test(part) && part !== '.') return 'ends with a dot or a space, which Windows drops';
  }
  return undefined;
}

/** Equal for names that are one name where capitals or the spelling of accents make no difference (Windows, macOS). */
export function foldedPath(path: string): string {
  return path.normalize('NFC').toLowerCase().normalize('NFC');
}

export function utf8Length(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // The two halves of a pair are four bytes together.
    bytes += unit < 0x80 ? 1 : unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 2 : 3;
  }
  return bytes;
}
