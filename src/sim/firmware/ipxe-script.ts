// Runs an iPXE script as far as one needs a network or time: as much of the language as boot scripts use.

/** What the script wants next; `resume` says how it went. */
export type ScriptWish =
  | {
      readonly kind: 'fetch';
      readonly command: 'chain' | 'kernel' | 'initrd';
      readonly url: string;
      readonly timeoutMs: number | undefined;
    }
  | { readonly kind: 'pause'; readonly ms: number }
  | { readonly kind: 'boot' }
  | { readonly kind: 'local-disk' }
  | { readonly kind: 'failed'; readonly why: string };

export type Settings = ReadonlyMap<string, string>;

interface ScriptCommand {
  readonly after: 'start' | '&&' | '||';
  readonly words: readonly string[];
}

/** Steps without a wish: a script that jumps in a circle is broken. */
const MOST_STEPS = 10_000;

export class IpxeScript {
  readonly #lines: readonly string[];
  readonly #settings: Map<string, string>;
  #line = 0;
  /** Commands of the line under way, each with the operator before it. */
  #rest: ScriptCommand[] = [];
  #isOk = true;
  #steps = 0;

  constructor(text: string, settings: Settings) {
    this.#lines = text.split('\n').map((line) => line.trim());
    this.#settings = new Map(settings);
  }

  static isScript(body: string): boolean {
    return body.startsWith('#!ipxe');
  }

  /** The first wish, or the next one once `resume` was told how the last one went. */
  next(): ScriptWish {
    while (this.#steps++ < MOST_STEPS) {
      const command = this.#rest.shift();
      if (command === undefined) {
        if (!this.#isOk) return { kind: 'failed', why: `line ${this.#line}: ${this.#lines[this.#line - 1]}` };
        if (this.#line >= this.#lines.length)
          return { kind: 'failed', why: 'the script ends without booting' };
        this.#rest = this.#parse(this.#lines[this.#line++] as string);
        this.#isOk = true;
        continue;
      }
      if (command.after === '&&' && !this.#isOk) continue;
      if (command.after === '||' && this.#isOk) continue;
      const wish = this.#run(command.words);
      if (wish !== undefined) {
        this.#steps = 0;
        return wish;
      }
    }
    return { kind: 'failed', why: 'the script runs in a circle' };
  }

  resume(isOk: boolean): void {
    this.#isOk = isOk;
  }

  /** `a && b || c`, operators as words of their own; a comment begins with `#`, a label with `:`. */
  #parse(line: string): ScriptCommand[] {
    if (line.startsWith('#') || line.startsWith(':')) return [];
    const found: { after: 'start' | '&&' | '||'; words: string[] }[] = [{ after: 'start', words: [] }];
    for (const word of this.#expand(line).split(/\s+/)) {
      if (word === '&&' || word === '||') found.push({ after: word, words: [] });
      else if (word.startsWith('#')) break;
      else if (word !== '') found.at(-1)?.words.push(word);
    }
    return found;
  }

  #expand(line: string): string {
    return line.replaceAll(/\$\{([^}]*)\}/g, (_, name: string) => {
      const [setting = '', type] = name.split(':');
      const value = this.#settings.get(setting) ?? '';
      if (type === 'uristring') return encodeURIComponent(value);
      return type === 'hexhyp' ? value.replaceAll(':', '-') : value;
    });
  }

  #run(words: readonly string[]): ScriptWish | undefined {
    const [name, ...args] = words;
    const { plain, timeoutMs } = readArguments(args);
    this.#isOk = true;
    switch (name) {
      case undefined:
      case 'echo':
      case 'imgfree':
        return undefined;
      case 'set':
        this.#settings.set((plain[0] ?? '').split(':')[0] ?? '', plain.slice(1).join(' '));
        return undefined;
      case 'inc':
        this.#settings.set(plain[0] ?? '', String(Number(this.#settings.get(plain[0] ?? '') ?? 0) + 1));
        return undefined;
      case 'iseq':
        this.#isOk = plain[0] === plain[1];
        return undefined;
      case 'isset':
        this.#isOk = plain.length > 0;
        return undefined;
      case 'goto':
        return this.#goto(plain[0] ?? '');
      case 'sleep':
        return { kind: 'pause', ms: Number(plain[0]) * 1000 };
      case 'prompt': {
        // Nobody presses the key: it fails when its time is over.
        this.#isOk = false;
        return { kind: 'pause', ms: timeoutMs ?? Number.POSITIVE_INFINITY };
      }
      case 'chain':
      case 'kernel':
      case 'initrd':
        return { kind: 'fetch', command: name, url: plain[0] ?? '', timeoutMs };
      case 'boot':
        return { kind: 'boot' };
      case 'exit':
      case 'sanboot':
        return { kind: 'local-disk' };
      default:
        this.#isOk = false;
        return undefined;
    }
  }

  #goto(label: string): ScriptWish | undefined {
    const at = this.#lines.indexOf(`:${label}`);
    if (at === -1) return { kind: 'failed', why: `no label ${label}` };
    this.#line = at + 1;
    this.#rest = [];
    return undefined;
  }
}

/** Options that take the word after them. */
const WITH_VALUE = ['--timeout', '--key', '--name', '--drive', '--filename'];

/** What is left without options, and the one option that matters. Behind the first plain word all are plain: a kernel's own. */
function readArguments(args: readonly string[]): { plain: string[]; timeoutMs: number | undefined } {
  let timeoutMs: number | undefined;
  let at = 0;
  for (; at < args.length && args[at]?.startsWith('--') === true; at++) {
    if (!WITH_VALUE.includes(args[at] ?? '')) continue;
    if (args[at] === '--timeout') timeoutMs = Number(args[at + 1]);
    at += 1;
  }
  return { plain: args.slice(at), timeoutMs };
}
