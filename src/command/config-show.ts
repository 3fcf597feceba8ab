// `peerboot config show`: every value, and with --origin where it came from.
import { CONFIG_KEYS, type ConfigKey } from '../io/config-keys.ts';
import { configOf, type PeerOptions } from './flags.ts';
import { colours, formatTable, printJson } from './terminal.ts';

export function configShow(options: PeerOptions, showOrigin = false): void {
  const { json, ...rest } = options;
  const { config: told, origin } = configOf(rest);
  // What is shown ends up in tickets.
  const config = { ...told, adminToken: told.adminToken === null ? null : '(set)' };
  const keys = Object.keys(CONFIG_KEYS) as ConfigKey[];
  if (json === true) {
    const shown = (key: ConfigKey) =>
      showOrigin ? { value: config[key], origin: origin[key] } : config[key];
    printJson(Object.fromEntries(keys.map((key) => [key, shown(key)])));
    return;
  }
  const rows = keys.map((key) => {
    const value = JSON.stringify(config[key]);
    const row = [colours.bold(key), value];
    return showOrigin ? [...row, colours.dim(origin[key])] : row;
  });
  console.log(formatTable(rows));
}
