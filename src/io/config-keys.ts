// The one table of configuration keys: form, default, flag, environment variable and meaning of each.
import * as z from 'zod';
import { NameTemplate } from '../api/machines.ts';
import { DEFAULT_HTTP_PORT } from '../api/routes.ts';
import { Tag } from '../api/site.ts';
import { CHAIN_WORDS } from '../boot/chain.ts';
import { DEFAULT_SITE_PORT, TAGS } from '../swarm/site.ts';
import { STRATEGY_SETTINGS } from '../swarm/strategy.ts';

const url = z
  .string()
  .regex(/^https?:\/\/[^\s]+$/, 'must be an http:// or https:// address')
  .transform((text) => text.replace(/\/+$/, ''));

/** In the place of an image: boot from the machine's own disk. */
export const LOCAL_BOOT = 'local';
/** In front of a boot entry, in the place of an image: only by `peerboot assign`, for it is good once. */
export const BOOT_ENTRY_PREFIX = 'boot:';

export const AssignmentRule = z.strictObject({
  /** `*`, a MAC, a UUID or a serial number. */
  machine: z.string().min(1).max(128),
  /** `name`, `name@version`, or `local` for the machine's own disk. */
  image: z
    .string()
    .min(1)
    .max(256)
    .refine((text) => !text.startsWith(BOOT_ENTRY_PREFIX), 'boot entries are assigned by `peerboot assign`'),
  allowNonBlank: z.boolean().optional(),
  /** Kernel name, model or serial of the one disk meant. */
  disk: z.string().max(128).optional(),
  /** Template of the machines' names: `till-{store}-{nn}`. */
  name: NameTemplate.optional(),
});
export type AssignmentRule = z.infer<typeof AssignmentRule>;

/** Which way to the agent some machines are given; what is absent fits all. */
export const ChainRuleForm = z.strictObject({
  /** A MAC, a UUID, or `tag:<word>`. */
  machine: z.string().min(1).max(128).optional(),
  architecture: z.enum(['bios', 'uefi-ia32', 'uefi-x64', 'uefi-arm32', 'uefi-arm64']).optional(),
  transport: z.enum(['tftp', 'http']).optional(),
  chain: z.enum(CHAIN_WORDS),
});

/** What some machines see on their menus; what is absent: all of them, every boot entry, no image. */
export const MenuRuleForm = z.strictObject({
  /** `*`, `tag:<word>`, a MAC, a UUID, a serial or an id. */
  machine: z.string().min(1).max(128).optional(),
  /** `*`, `name` or `name@version`. */
  entries: z.array(z.string().min(1).max(128)).max(64).optional(),
  /** Images that may be put on the machine without anybody's approval. */
  images: z.array(z.string().min(1).max(128)).max(64).optional(),
  /** Also over a disk that is not blank. */
  allowNonBlank: z.boolean().optional(),
  /** A shell in the agent's system. */
  shell: z.boolean().optional(),
});

const ipv4 = z.string().regex(/^\d{1,3}(\.\d{1,3}){3}$/, 'must be an IPv4 address');

/** `10.77.0.7` or `10.77.0.7:8068`. */
const peerAddress = z
  .string()
  .regex(/^\d{1,3}(\.\d{1,3}){3}(:\d{1,5})?$/, 'must be an IPv4 address, with :port if it is not 8068');

/** What the site shall hold. */
export const ReplicaRule = z.strictObject({
  /** `*` (the newest version of each), `name` (its newest) or `name@version`. */
  image: z.string().min(1).max(128),
  /** Copies in the site. */
  count: z.number().int().min(1).max(1000).optional(),
  /** Only peers with this tag keep it. */
  tag: Tag.optional(),
});

/** Bytes per second; null: no limit. */
const rate = z.number().int().min(10_000).nullable();

/** Every key with its form. Optional keys have a default that depends on the machine; see `config-defaults.ts`. */
export const CONFIG_KEYS = {
  adminToken: z.string().min(16).max(256).nullable(),
  allowNonBlank: z.boolean(),
  assetsDir: z.string().min(1),
  assign: z.array(AssignmentRule),
  busyLoad: z.number().positive(),
  chain: z.enum(CHAIN_WORDS),
  chains: z.array(ChainRuleForm).max(256),
  dhcp: z.enum(['proxy', 'full']),
  dhcpNameServers: z.array(ipv4).max(8),
  dhcpRange: z
    .string()
    .regex(/^[\d.]+ *- *[\d.]+$/, 'must be two addresses: 10.0.0.100-10.0.0.199')
    .nullable(),
  dhcpRouter: ipv4.nullable(),
  httpPort: z.number().int().min(1).max(65_535),
  interfaces: z.array(z.string().min(1)),
  json: z.boolean(),
  keepFreeBytes: z.number().int().nonnegative(),
  lanLimit: rate,
  leaseMinutes: z.number().min(2).max(10_080),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']),
  menu: z.boolean(),
  menus: z.array(MenuRuleForm).max(256),
  observe: z.boolean(),
  origins: z.array(url),
  parents: z.array(url),
  peers: z.array(peerAddress).max(64),
  quotaBytes: z.number().int().positive(),
  refreshMinutes: z.number().positive().max(1440),
  replicaGraceSeconds: z.number().min(1).max(86_400),
  replicas: z.array(ReplicaRule).max(256),
  site: z.string().min(1).max(64).nullable(),
  sitePort: z.number().int().min(1).max(65_535),
  stateDir: z.string().min(1),
  strategy: z.enum(STRATEGY_SETTINGS),
  tags: z.array(Tag).max(16),
  trustRoot: z.string().min(1).nullable(),
  unknown: z.enum(['local', 'wait']),
  wanLimit: rate,
} as const;

export type ConfigKey = keyof typeof CONFIG_KEYS;
export type Config = { readonly [K in ConfigKey]: z.infer<(typeof CONFIG_KEYS)[K]> };

export interface KeyDoc {
  readonly means: string;
  /** Flag of `peerboot up`, when there is one. */
  readonly flag?: string;
  /** What the default is, in words, where it is not one fixed value. */
  readonly defaultText?: string;
}

export const KEY_DOCS: Readonly<Record<ConfigKey, KeyDoc>> = {
  adminToken: {
    means:
      'Secret for administration, also from other machines; without one only this machine itself may administer. Better in the file or the variable than anywhere it can be read.',
  },
  allowNonBlank: {
    means: 'Whether assignments given in the configuration may overwrite a disk that is not blank.',
    flag: '--allow-non-blank',
  },
  assetsDir: {
    means: 'Folder with the NBPs, the kernel and the agent (`npm run boot-assets` makes it).',
    flag: '--assets <dir>',
    defaultText: '`.cache/assets/current` of the checkout, else `/usr/share/peerboot/assets`',
  },
  assign: {
    means:
      'Which machine gets which image: a list of `{machine, image, allowNonBlank?, disk?, name?}`; machine is `*`, `tag:<word>`, a MAC, a UUID or a serial, image is `name`, `name@version` or `local`.',
    flag: '--assign <machine> <image>, --assign <machine>=<image>',
  },
  busyLoad: {
    means:
      'From how many running processes a processor on (load average of a minute) this endpoint counts as busy and others serve in its place; a large number: never.',
  },
  chain: {
    means:
      'Way from the firmware to the agent: `ipxe`, `uki` (the agent as one program), `shim`, `signed-ipxe`, `grub`, or `auto`: iPXE, and what is signed where the firmware refuses that.',
    flag: '--chain <chain>',
  },
  chains: {
    means:
      'Other ways for some machines, the first that fits: a list of `{machine?, architecture?, transport?, chain}`; machine is a MAC, a UUID or `tag:<word>`, architecture e.g. `uefi-x64`, transport `tftp` or `http`.',
  },
  dhcp: {
    means:
      '`proxy`: the network has a DHCP server, which gives the addresses. `full`: this peer gives them, too, on an isolated staging network, and only while no other DHCP server is heard.',
    flag: '--dhcp <mode>',
  },
  dhcpNameServers: { means: 'Name servers that `dhcp: full` tells of.' },
  dhcpRange: {
    means:
      'Addresses that `dhcp: full` gives, e.g. `10.0.0.100-10.0.0.199`; null: the upper half of the subnet.',
    flag: '--dhcp-range <first-last>',
  },
  dhcpRouter: { means: 'Router that `dhcp: full` tells of; null: none.' },
  httpPort: {
    means: 'TCP port for scripts, boot files, content and administration.',
    flag: '--http-port <port>',
  },
  interfaces: {
    means:
      'Network interfaces to answer on; an empty list means every one that has an IPv4 address. New addresses and interfaces are taken up while the peer runs.',
    flag: '--interface <name>',
  },
  json: { means: 'Log as JSON lines also on a terminal.', flag: '--json' },
  keepFreeBytes: { means: 'Room on the disk that the chunk store leaves to others.' },
  lanLimit: {
    means:
      'Bytes per second that this peer sends to others of the site at most; null for no limit. `peerboot limit --lan` overrides it.',
  },
  leaseMinutes: { means: 'How long an address given by `dhcp: full` is good for.' },
  logLevel: { means: 'Least level of the lines that are logged.', flag: '--log-level <level>' },
  menu: {
    means:
      'Whether machines that would boot their own disk, or wait for approval, show a menu first: local disk after a countdown, boot entries, images. See docs/menus.md.',
    flag: '--menu',
  },
  menus: {
    means:
      'Who sees what on the menu, the first that fits: a list of `{machine?, entries?, images?, allowNonBlank?, shell?}`; machine as in `assign`, entries (default all) and images (default none) are lists of `*`, `name` or `name@version`. Whoever stands before the machine may put one of these images on its disk without asking, with `allowNonBlank` also over what is there; with `shell` look at all of it from a shell.',
  },
  observe: { means: 'Print what would be answered to PXE clients and send nothing.', flag: '--observe' },
  origins: {
    means: 'Where images come from, in the order in which they are tried; empty: serve what is held.',
    flag: '--origin <url>',
  },
  parents: {
    means:
      'Peers of the parent office, tried before the origins when something must cross the WAN: `http://address:8067`.',
    flag: '--parent <url>',
  },
  peers: {
    means:
      'Addresses of peers of this site that multicast does not reach (other VLANs, some Wi-Fi); `address` or `address:port`.',
    flag: '--peer <address>',
  },
  quotaBytes: {
    means: 'How much the chunk store may hold; the least recently used chunks go first.',
    flag: '--quota <size>',
    defaultText: 'half of the size of the disk that `stateDir` is on',
  },
  refreshMinutes: { means: 'How often the origins are asked for a newer catalogue.' },
  replicaGraceSeconds: {
    means:
      'How long a peer that has gone silent still counts as holding its copies: a restart shall move nothing.',
  },
  replicas: {
    means:
      'What the site shall hold ahead of time: a list of `{image, count?, tag?}`; image is `*`, `name` or `name@version`, count the copies in the site (default 2), tag a word that a peer must have to keep it.',
  },
  site: {
    means:
      'Label of this site: peers with the same one belong together. Without one, the peers of a subnet do.',
    flag: '--site <label>',
    defaultText: 'none: the subnet',
  },
  sitePort: {
    means: 'TCP and UDP port on which the peers of a site find and feed each other.',
    flag: '--site-port <port>',
  },
  stateDir: {
    means: 'Folder for chunks, the last good catalogue and assignments.',
    flag: '--state <dir>',
    defaultText: "systemd's state folder, else `/var/lib/peerboot` for root, else `~/.local/state/peerboot`",
  },
  strategy: {
    means:
      'How an image travels in the site: `line` (each feeds the next), `swarm` (each fetches from many at once), or `auto`: chosen for each image from what was measured. Say the same to all peers of the site; targets are told by them.',
    flag: '--strategy <name>',
  },
  tags: {
    means:
      'What this peer is for: only a `boot-host` answers PXE; `wan:prefer` and `wan:forbid` say who crosses the WAN for the site. `peerboot tag` and `untag` change it later.',
    flag: '--tag <word>',
  },
  trustRoot: {
    means:
      "The publisher's root (`root.json`) that signed catalogues are checked against; kept in `stateDir` once given.",
    flag: '--root <file>',
    defaultText: '`/etc/peerboot/root.json` when it exists, else the one kept in `stateDir`',
  },
  unknown: {
    means:
      'What a machine does that nothing is assigned to: `local` boots its own disk, `wait` shows a code on its screen until it is approved.',
    flag: '--unknown <rule>',
  },
  wanLimit: {
    means:
      'Bytes per second that the site fetches over the WAN at most, shared by the peers that cross at once; null for no limit. `peerboot limit --wan` overrides it.',
  },
};

/** Defaults that are the same on every machine. */
export const FIXED_DEFAULTS = {
  adminToken: null,
  allowNonBlank: false,
  assign: [],
  busyLoad: 2,
  chain: 'auto',
  chains: [],
  dhcp: 'proxy',
  dhcpNameServers: [],
  dhcpRange: null,
  dhcpRouter: null,
  httpPort: DEFAULT_HTTP_PORT,
  interfaces: [],
  json: false,
  keepFreeBytes: 0,
  lanLimit: null,
  leaseMinutes: 60,
  logLevel: 'info',
  menu: false,
  menus: [],
  observe: false,
  origins: [],
  parents: [],
  peers: [],
  refreshMinutes: 5,
  replicaGraceSeconds: 30,
  replicas: [],
  site: null,
  sitePort: DEFAULT_SITE_PORT,
  strategy: 'auto',
  tags: [TAGS.bootHost],
  unknown: 'local',
  wanLimit: null,
} as const satisfies Partial<Config>;

/** `stateDir` → `PEERBOOT_STATE_DIR`. */
export function environmentName(key: ConfigKey): string {
  return `PEERBOOT_${key.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}
