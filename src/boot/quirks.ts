// Firmware that departs from the specifications: how to know it, what to do about it, and who saw it.
import { OPTIONS, readOption } from '../dhcp/options.ts';
import type { DhcpPacket } from '../dhcp/packet.ts';

/** What a quirk changes in how a packet is read. */
export interface Correction {
  /** The architecture code to use instead of the one sent. */
  readonly architecture?: number;
}

export interface Quirk {
  readonly name: string;
  matches(packet: DhcpPacket, architecture: number): boolean;
  readonly effect: Correction;
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
];

/** What to correct in `packet` as to this architecture code: every matching quirk's effect, later rows winning. */
export function corrections(packet: DhcpPacket, architecture: number): Correction {
  return Object.assign(
    {},
    ...QUIRKS.filter((quirk) => quirk.matches(packet, architecture)).map((quirk) => quirk.effect),
  );
}
