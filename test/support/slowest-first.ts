// Starts the test files that take longest first: a new checkout knows no durations, and one left for the end keeps the others' places idle.
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Slowest first, on a new checkout of two cores, where the first to need an image or boot assets builds them. */
const SLOWEST = [
  'lab/stories.vm',
  'lab/agent-cases.vm',
  'lab/line.vm',
  'boot/script.vm',
  'boot/menu.vm',
  'lab/local-boot.vm',
  'images/image.real',
  'boot-assets/build.real',
  'service/networks.real',
  'agent/agent.real',
  'command/site.real',
  'command/command.real',
  'command/fetch-site.real',
  'agent/site.real',
  'io/chunk-files-kill.real',
  'io/tftp-loss.real',
  'service/boot-hosts.real',
  'service/line-driver.real',
  'fuzz/fuzz',
  'io/publish',
  'swarm/beacon-large',
];

function place({ moduleId }: TestSpecification): number {
  const found = SLOWEST.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
  return found === -1 ? SLOWEST.length : found;
}

/** The others as vitest has them: by the duration of their last run, else by size. */
export class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}
