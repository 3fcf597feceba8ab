// Reads the configuration: defaults, then the file, then PEERBOOT_* variables, then flags; each value knows its origin.
import { readFileSync } from 'node:fs';
import { PeerbootError } from '../base/errors.ts';
import { machineDefaults } from './config-defaults.ts';
import {
  CONFIG_KEYS,
  type Config,
  type ConfigKey,
  environmentName,
  FIXED_DEFAULTS,
  KEY_DOCS,
} from './config-keys.ts';
import { nearest, parseAssignments, parseReplicas, parseSize } from './config-words.ts';

export const DEFAULT_CONFIG_FILE = '/etc/peerboot/config.json';

/** Where a value came from: `default`, a file's path, a variable's name or a flag. */
export type Provenance = Readonly<Record<ConfigKey, string>>;

export interface LoadedConfig {
  readonly config: Config;
  readonly origin: Provenance;
  /** The file that was read, if there was one. */
  readonly file: string | undefined;
}

export interface ConfigInput {
  /** Values already typed by the command line, only those that were given. */
  readonly flags: Partial<Config>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** From `--config`: it must exist. Without it, the default file is read when it exists. */
  readonly file?: string | undefined;
}

const KEYS = Object.keys(CONFIG_KEYS) as ConfigKey[];

/** Throws PB-CONFIG-INVALID naming the key, where it came from and, for an unknown one, the nearest known key. */
export function loadConfig(input: ConfigInput): LoadedConfig {
  const named = input.file ?? input.environment.PEERBOOT_CONFIG;
  const file = named ?? DEFAULT_CONFIG_FILE;
  const fromFile = readConfigFile(file, named !== undefined);
  const values: Partial<Record<ConfigKey, unknown>> = {};
  const origin: Partial<Record<ConfigKey, string>> = {};
  const put = (key: ConfigKey, value: unknown, from: string) => {
    values[key] = check(key, value, from);
    origin[key] = from;
  };
  for (const [key, value] of Object.entries(fromFile ?? {})) put(known(key, KEYS, file), value, file);
  for (const [key, value] of environmentValues(input.environment)) put(key, value, environmentName(key));
  for (const [key, value] of Object.entries(input.flags)) {
    if (value !== undefined)
      put(key as ConfigKey, value, KEY_DOCS[key as ConfigKey].flag?.split(/[ ,]/)[0] ?? key);
  }
  const given = values as Partial<Config>;
  for (const [key, value] of Object.entries({
    ...FIXED_DEFAULTS,
    ...machineDefaults(input.environment, given.stateDir),
  })) {
    if (!(key in values)) {
      values[key as ConfigKey] = value;
      origin[key as ConfigKey] = 'default';
    }
  }
  return {
    config: values as Config,
    origin: origin as Provenance,
    file: fromFile === undefined ? undefined : file,
  };
}

function readConfigFile(path: string, mustExist: boolean): Record<string, unknown> | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if (!mustExist && (cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw invalid(`${path} cannot be read: ${(cause as Error).message}`, cause);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid(`${path} is not JSON: ${(cause as Error).message}`, cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(`${path} must hold one JSON object, { "key": value, … }`);
  }
  return value as Record<string, unknown>;
}

function* environmentValues(environment: ConfigInput['environment']): Generator<[ConfigKey, unknown]> {
  const byName = new Map(KEYS.map((key) => [environmentName(key), key]));
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith('PEERBOOT_') || name === 'PEERBOOT_CONFIG' || text === undefined) continue;
    const key = byName.get(known(name, [...byName.keys()], 'the environment'));
    if (key !== undefined) yield [key, fromText(key, text)];
  }
}

/** A variable's text as the key's own type; what cannot be read stays text and fails the check with the key's name. */
function fromText(key: ConfigKey, text: string): unknown {
  switch (key) {
    case 'allowNonBlank':
    case 'json':
    case 'menu':
    case 'observe':
      return ({ '1': true, true: true, '0': false, false: false } as Record<string, boolean>)[text] ?? text;
    case 'interfaces':
    case 'origins':
    case 'parents':
    case 'peers':
    case 'tags':
      return text.split(',').filter((word) => word !== '');
    case 'assign':
      return parseAssignments(text.split(',').filter((word) => word !== ''));
    case 'chains':
    case 'menus':
      return jsonOrText(text);
    case 'busyLoad':
    case 'httpPort':
    case 'sitePort':
    case 'refreshMinutes':
    case 'replicaGraceSeconds':
      return /^\d+(\.\d+)?$/.test(text) ? Number(text) : text;
    case 'keepFreeBytes':
    case 'quotaBytes':
      return parseSize(text) ?? text;
    case 'lanLimit':
    case 'wanLimit':
      return text === 'none' ? null : (parseSize(text) ?? text);
    case 'replicas':
      return parseReplicas(text.split(',').filter((word) => word !== ''));
    default:
      return text;
  }
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const SIZES: ReadonlySet<ConfigKey> = new Set(['keepFreeBytes', 'lanLimit', 'quotaBytes', 'wanLimit']);

function check(key: ConfigKey, value: unknown, from: string): unknown {
  const form = CONFIG_KEYS[key].safeParse(
    SIZES.has(key) && typeof value === 'string' ? (parseSize(value) ?? value) : value,
  );
  if (form.success) return form.data;
  const issue = form.error.issues[0];
  const where = [key, ...(issue?.path ?? [])].join('.');
  const suggestion =
    issue?.code === 'unrecognized_keys'
      ? hint(issue.keys[0] ?? '', [
          'machine',
          'image',
          'allowNonBlank',
          'disk',
          'name',
          'count',
          'tag',
          'chain',
          'architecture',
          'transport',
          'entries',
          'images',
        ])
      : '';
  throw invalid(`${where} (from ${from}): ${issue?.message ?? 'wrong form'}${suggestion}`);
}

function known<K extends string>(key: string, keys: readonly K[], from: string): K {
  if ((keys as readonly string[]).includes(key)) return key as K;
  throw invalid(`unknown key ${key} (from ${from})${hint(key, keys)}`);
}

function hint(word: string, choices: readonly string[]): string {
  const close = nearest(word, choices);
  return close === undefined ? '' : `; did you mean ${close}?`;
}

function invalid(what: string, cause?: unknown): PeerbootError {
  return new PeerbootError('PB-CONFIG-INVALID', what, { cause });
}
