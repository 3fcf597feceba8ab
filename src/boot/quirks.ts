// What firmware wants beside the specifications, or against them: how to know it, what to do about it, and who saw it.
import { OPTIONS, readOption } from '../dhcp/options.ts';
import type { DhcpPacket } from '../dhcp/packet.ts';

/**
 * The two wordings of an offer that makes a firmware load our file. `binl`: without option 43; the firmware then asks port 4011 where the
 * file is. `offered-file`: option 43 says to skip that and to take the file that this very offer names.
 */
export const DIALECTS = ['binl', 'offered-file'] as const;
export type Dialect = (typeof DIALECTS)[number];

/** What a quirk changes in how a packet is read and answered. */
export interface Effect {
  /** The architecture code to use instead of the one sent. */
  readonly architecture?: number;
  /** The dialect of the first offer to a machine of which nothing better is known. */
  readonly dialect?: Dialect;
  /** How often that is repeated before the other one is tried on the mere suspicion that it was refused. */
  readonly patience?: number;
}

export interface Quirk {
  readonly name: string;
  matches(packet: DhcpPacket, architecture: number): boolean;
  readonly effect: Effect;
  /** Where it was seen or is written down. */
  readonly evidence: string;
}

const saysHttp = (packet: DhcpPacket) =>
  readOption(packet.options, OPTIONS.vendorClass)?.startsWith('HTTPClient') === true;

export const QUIRKS: readonly Quirk[] = [
  {
    name: 'ebc-means-x64',
    matches: (packet, architecture) => architecture === 9 && !saysHttp(packet),
    effect: { architecture: 7 },
    evidence: 'RFC 4578 had codes 7 and 9 swapped until its erratum; x64 firmware of before then sends 9.',
  },
  {
    name: 'ebc-http-means-x64',
    matches: (packet, architecture) => (architecture === 17 || architecture === 9) && saysHttp(packet),
    effect: { architecture: 16 },
    evidence: 'The HTTP codes repeat the PXE ones (IANA: 17 is EBC by HTTP), and so repeat their confusion.',
  },
  {
    name: 'uefi-drops-43',
    matches: (packet, architecture) => architecture !== 0 && !saysHttp(packet),
    effect: { dialect: 'binl', patience: 0 },
    evidence:
      'EDK2 before April 2017 throws away a proxy offer with discovery fields in option 43. Every EDK2 keeps the offers that it has when it asks again, so the other dialect in between does no harm.',
  },
  {
    name: 'bios-wants-43',
    matches: (packet, architecture) => architecture === 0 && !saysHttp(packet),
    effect: { dialect: 'offered-file', patience: 1 },
    evidence:
      'PXE 2.1 §2.2.3: a ROM without option 43 goes on to port 4011, and some end there in PXE-E55. Whether a ROM keeps its first or its last offer is not written down: so one that may only be waiting for an address is told the same once more.',
  },
];

/** What to do about `packet`, as to this architecture code: every matching quirk's effect, later rows winning. */
export function quirksOf(packet: DhcpPacket, architecture: number): Effect {
  return Object.assign(
    {},
    ...QUIRKS.filter((quirk) => quirk.matches(packet, architecture)).map((quirk) => quirk.effect),
  );
}

/** How offers to a firmware are worded as long as nothing better is known of it. */
export interface DialectRule {
  readonly dialect: Dialect;
  readonly patience: number;
}

export function dialectRule(packet: DhcpPacket, kind: 'bios-rom' | 'uefi-rom'): DialectRule {
  // Whichever code a UEFI firmware sends (old ones say 9), it is not 0.
  const { dialect = 'binl', patience = 0 } = quirksOf(packet, kind === 'bios-rom' ? 0 : 7);
  return { dialect, patience };
}
