// What a ROM calls a file → what the catalogue calls it: slashes, backslashes, case and trailing garbage.

/**
 * The canonical form of a requested path, for looking it up in a catalogue and for nothing else: it never becomes a
 * path on disk, so `..` is merely a name that no catalogue holds.
 *
 * A ROM may send the boot file field with what follows it: Intel's sends the 0xff that ends the DHCP options,
 * others a space. Windows-born loaders send backslashes, shim a double slash.
 */
export function foldFileName(requested: string): string {
  return requested
    .replace(/[\0\s\xff]+$/, '')
    .replaceAll('\\', '/')
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/')
    .toLowerCase();
}

/** Finds catalogue names by what ROMs make of them. An exact name wins over one that differs by case. */
export class FileNames {
  readonly #exact: ReadonlySet<string>;
  readonly #folded: ReadonlyMap<string, string>;

  constructor(names: Iterable<string>) {
    const sorted = [...names].sort();
    this.#exact = new Set(sorted);
    // Reversed, so that of two names that fold alike the first one in order is kept.
    this.#folded = new Map(sorted.reverse().map((name) => [foldFileName(name), name]));
  }

  find(requested: string): string | undefined {
    return this.#exact.has(requested) ? requested : this.#folded.get(foldFileName(requested));
  }
}
