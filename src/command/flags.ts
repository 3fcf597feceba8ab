// From the command line's options to configuration keys: only what was given, so that defaults stay defaults.

import { type LoadedConfig, loadConfig } from '../io/config.ts';
import type { Config } from '../io/config-keys.ts';
import { parseAssignments } from '../io/config-words.ts';

/** What commander hands over for `up`; every field only when its flag was given. */
export interface PeerOptions {
  readonly config?: string;
  readonly interface?: string[];
  readonly origin?: string[];
  readonly root?: string;
  readonly state?: string;
  readonly assets?: string;
  readonly assign?: string[];
  readonly allowNonBlank?: boolean;
  readonly dhcp?: string;
  readonly dhcpRange?: string;
  readonly site?: string;
  readonly sitePort?: number;
  readonly parent?: string[];
  readonly peer?: string[];
  readonly tag?: string[];
  readonly strategy?: string;
  readonly chain?: string;
  readonly httpPort?: number;
  readonly quota?: number | string;
  readonly logLevel?: string;
  readonly unknown?: string;
  readonly observe?: boolean;
  readonly menu?: boolean;
  readonly json?: boolean;
}

export function configOf(options: PeerOptions, environment = process.env): LoadedConfig {
  // Values are checked by `loadConfig`; the cast only lets wrong ones reach that check.
  const flags = {
    interfaces: options.interface,
    origins: options.origin,
    trustRoot: options.root,
    stateDir: options.state,
    assetsDir: options.assets,
    assign: options.assign === undefined ? undefined : parseAssignments(options.assign),
    allowNonBlank: options.allowNonBlank,
    dhcp: options.dhcp,
    dhcpRange: options.dhcpRange,
    site: options.site,
    sitePort: options.sitePort,
    parents: options.parent,
    peers: options.peer,
    tags: options.tag,
    strategy: options.strategy,
    chain: options.chain,
    httpPort: options.httpPort,
    quotaBytes: options.quota,
    logLevel: options.logLevel,
    unknown: options.unknown,
    observe: options.observe,
    menu: options.menu,
    json: options.json,
  } as unknown as Partial<Config>;
  return loadConfig({ flags, environment, file: options.config });
}
