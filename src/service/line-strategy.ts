// Chooses line or mesh for an image at the moment it is opened, from what is known of the site and of our own link.
import type { Log } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { LineMachine, LineSetup } from '../swarm/line-ports.ts';
import type { LineImage } from '../swarm/node-ports.ts';
import { imageKey, type Presence } from '../swarm/site.ts';
import {
  chooseStrategy,
  createMachine,
  type Strategy,
  type StrategySetting,
  strategyFacts,
} from '../swarm/strategy.ts';
import { DownlinkMeter } from '../swarm/uplink.ts';

export interface LineStrategyOptions {
  readonly presence: Presence;
  /** As the configuration, or whoever told us of the site, says. */
  readonly setting: StrategySetting;
  /** Speed of the fastest network card that is in use, bytes per second; 0 where none tells it. */
  readonly linkBytesPerSecond: () => number;
  readonly clock: Clock;
  readonly log: Log;
}

export interface LineStrategy {
  /** Bytes of a chunk that came: what our downlink carries at least. */
  came(bytes: number): void;
  machineFor(image: LineImage, setup: LineSetup): LineMachine;
}

export function createLineStrategy(options: LineStrategyOptions): LineStrategy {
  const { presence, setting, clock, log } = options;
  const downlink = new DownlinkMeter();

  function choose(image: LineImage): Strategy {
    if (setting !== 'auto') {
      log.info({ image: image.title, strategy: setting }, 'strategy: told');
      return setting;
    }
    const most = Math.max(downlink.mostPerSecond, options.linkBytesPerSecond());
    const facts = strategyFacts(presence.peers(), imageKey(image.manifest), most);
    const { strategy, why } = chooseStrategy(facts);
    log.info({ image: image.title, strategy, ...facts }, `strategy: ${why}`);
    return strategy;
  }

  return {
    came: (bytes) => downlink.came(bytes, clock.nowMs()),
    machineFor: (image, setup) => createMachine(choose(image), setup),
  };
}
