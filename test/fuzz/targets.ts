// Every fuzz target by its name.
import type { FuzzTarget } from './fuzz.ts';
import { captureTarget, dhcpTarget, tftpTarget } from './packets.ts';
import { beaconTarget, controlTarget, httpTarget, lineTarget, scriptTarget } from './words.ts';

export const FUZZ_TARGETS: Readonly<Record<string, () => FuzzTarget>> = {
  dhcp: dhcpTarget,
  tftp: tftpTarget,
  http: httpTarget,
  beacon: beaconTarget,
  line: lineTarget,
  capture: captureTarget,
  control: controlTarget,
  script: scriptTarget,
};
