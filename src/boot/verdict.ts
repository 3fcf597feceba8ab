// The one verdict that every boot attempt ends with.
import type { Mac } from '../base/addresses.ts';
import type { MonotonicMs } from '../base/time.ts';

/** docs/doctor.md tells each with its evidence and remedy. */
export const VERDICTS = [
  /** The agent checked in, or the machine was told to boot its own disk and got that script. */
  'booted',
  /** UEFI had an offer of the boot server and an address, and never asked port 4011. */
  'never-asked-4011',
  /** A DHCP server that gives addresses sends option 60 itself: EDK2 prefers it to every proxyDHCP. */
  'other-dhcp-claims-option-60',
  /** The first file's transfer broke off. */
  'nbp-aborted',
  /** Nobody's DHCP server gave it an address. */
  'no-address',
  /** Only relayed or unicast parts of the exchange arrive here. */
  'relay-missing',
  /** What was answered does not arrive, or what must follow never comes. */
  'firewall',
  /** Only the size of the file was asked for: normal, the file itself is asked for next. */
  'size-probe-only',
  /** The whole NBP arrived at a UEFI machine, and nothing was ever heard of what should then run. */
  'secure-boot-refused',
  'unknown',
] as const;

export type Verdict = (typeof VERDICTS)[number];

/** A boot attempt that is over. */
export interface Attempt {
  /** Undefined where the firmware tells its GUID instead (hlen 16). */
  readonly mac: Mac | undefined;
  readonly uuid: string | undefined;
  /** `bios`, `bios-ipxe`, `uefi-x64`, `uefi-x64-http`, `uefi-arm64`, …: architecture, then how it boots where that is not the ROM's PXE. */
  readonly firmware: string;
  readonly startedMs: MonotonicMs;
  readonly endedMs: MonotonicMs;
  readonly verdict: Verdict;
  /** Short sentences in order of time, with seconds since the start and addresses. */
  readonly evidence: readonly string[];
  /** One sentence: what is wrong and who can mend it. */
  readonly remedy: string;
}
