// Which way a machine's firmware gets to the agent: one pure choice from who asks, the rules, and the files at hand.
import { parseMac } from '../base/addresses.ts';
import { normaliseUuid, uuidKey } from '../base/uuid.ts';
import type { BootArchitecture, BootClient, BootTransport } from './client.ts';

/**
 * `ipxe`: firmware → iPXE → script → kernel. `uki`: the agent as one program, started by the firmware itself. `shim`:
 * Debian's shim, which proves that program by a machine-owner key. `signed-ipxe`: an iPXE of the user's own that the
 * firmware believes. `grub`: Debian's shim and GRUB, only where this peer's address is the DHCP server's next-server.
 */
export const CHAINS = ['ipxe', 'uki', 'shim', 'signed-ipxe', 'grub'] as const;
export type Chain = (typeof CHAINS)[number];
export const CHAIN_WORDS = ['auto', ...CHAINS] as const;
export type ChainWord = (typeof CHAIN_WORDS)[number];

/** What is absent fits every machine. */
export interface ChainRule {
  /** A MAC, a UUID, or `tag:<word>` of an administrator's. */
  readonly machine?: string | undefined;
  readonly architecture?: BootArchitecture | undefined;
  /** How its firmware fetches the first file. */
  readonly transport?: BootTransport | undefined;
  readonly chain: ChainWord;
}

/** What is remembered of the machine that asks (boot/chain-memory). */
export interface ChainFacts {
  /** Its agent said so, or an NBP that nobody signed was fetched whole and never spoke: the firmware refused it. */
  readonly secureBoot: boolean;
  readonly tags?: readonly string[];
}

export interface ChainContext {
  /** The first that fits decides. */
  readonly rules: readonly ChainRule[];
  /** Names of all files that TFTP and HTTP serve. */
  readonly files: ReadonlySet<string>;
  readonly facts: ChainFacts;
}

export interface FirstFile {
  readonly chain: Chain;
  readonly name: string;
}

/** `x64` as in the names of UEFI programs; BIOS has none. */
const SUFFIX: Readonly<Partial<Record<BootArchitecture, { ours: string; efi: string }>>> = {
  'uefi-x64': { ours: 'x64', efi: 'x64' },
  'uefi-arm64': { ours: 'arm64', efi: 'aa64' },
};

/** iPXE by architecture, best first: snponly uses the firmware's own driver, so it fits more NICs. */
const IPXE: Readonly<Record<BootArchitecture, readonly string[]>> = {
  bios: ['undionly.kpxe'],
  'uefi-ia32': ['snponly-ia32.efi', 'ipxe-ia32.efi'],
  'uefi-x64': ['snponly.efi', 'ipxe.efi'],
  'uefi-arm32': ['snponly-arm32.efi', 'ipxe-arm32.efi'],
  'uefi-arm64': ['snponly-arm64.efi', 'ipxe-arm64.efi'],
};

/** Folder and names as the project iPXE gives its signed builds: the shim of each looks for the name without `-shim`. */
const SIGNED_IPXE = ['snponly-shim.efi', 'ipxe-shim.efi', 'snponly.efi', 'ipxe.efi'].map(
  (name) => `signed-ipxe/${name}`,
);

/** Files that would do as the first one of this chain, best first. */
export function firstFiles(chain: Chain, architecture: BootArchitecture): readonly string[] {
  const suffix = SUFFIX[architecture];
  if (chain === 'ipxe') return IPXE[architecture];
  if (suffix === undefined) return [];
  switch (chain) {
    case 'uki':
      return [signedUki(suffix.ours), `peerboot-${suffix.ours}.efi`];
    case 'shim':
      return [`shim/shim${suffix.efi}.efi`];
    case 'signed-ipxe':
      return architecture === 'uefi-x64' ? SIGNED_IPXE : [];
    case 'grub':
      return [`grub/shim${suffix.efi}.efi`];
  }
}

/** The agent for this processor as one signed program: what `peerboot boot-assets sign` makes. */
export function signedUki(architecture: string): string {
  return `peerboot-${architecture}.signed.efi`;
}

/** The first file for a client that is no iPXE; undefined when there is none for it. */
export function chooseChain(client: BootClient, context: ChainContext): FirstFile | undefined {
  const { architecture } = client;
  const rule = context.rules.find((one) => fits(one, client, context.facts));
  for (const chain of candidates(rule?.chain ?? 'auto', architecture, context)) {
    const name = firstFiles(chain, architecture).find((file) => context.files.has(file));
    if (name !== undefined) return { chain, name };
  }
  return undefined;
}

/** For the log: every name that was looked for. */
export function wantedFiles(client: BootClient, context: ChainContext): readonly string[] {
  const rule = context.rules.find((one) => fits(one, client, context.facts));
  const { architecture } = client;
  return candidates(rule?.chain ?? 'auto', architecture, context).flatMap((chain) =>
    firstFiles(chain, architecture),
  );
}

/**
 * Left to itself a machine gets iPXE, whose script shows on its screen what it is waiting for. Where firmware
 * refuses that, what somebody signed: the agent itself, or through shim. A rule is taken at its word, with no way out.
 */
function candidates(
  word: ChainWord,
  architecture: BootArchitecture,
  context: ChainContext,
): readonly Chain[] {
  if (word !== 'auto') return architecture === 'bios' ? ['ipxe'] : [word];
  const suffix = SUFFIX[architecture];
  if (suffix === undefined) return ['ipxe'];
  if (!context.facts.secureBoot) return ['ipxe', 'uki'];
  const signed = context.files.has(signedUki(suffix.ours));
  const shim = context.files.has(`shim/grub${suffix.efi}.efi`);
  return [...(signed ? ['uki' as const] : []), ...(shim ? ['shim' as const] : []), 'ipxe', 'uki'];
}

function fits(rule: ChainRule, client: BootClient, facts: ChainFacts): boolean {
  if (rule.architecture !== undefined && rule.architecture !== client.architecture) return false;
  if (rule.transport !== undefined && rule.transport !== transportOf(client)) return false;
  return rule.machine === undefined || rule.machine === '*' || means(rule.machine, client, facts);
}

function means(machine: string, { identity }: BootClient, facts: ChainFacts): boolean {
  if (machine.startsWith('tag:')) return facts.tags?.includes(machine.slice('tag:'.length)) === true;
  const mac = parseMac(machine);
  if (mac !== undefined) return mac === identity.mac;
  const uuid = normaliseUuid(machine);
  return uuid !== undefined && identity.uuid !== undefined && uuidKey(uuid) === uuidKey(identity.uuid);
}

function transportOf(client: BootClient): BootTransport {
  return client.kind === 'http-rom' ? 'http' : 'tftp';
}
