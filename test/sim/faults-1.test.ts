// Five hundred of the thousand small sites with random faults: nothing wrong kept, nothing sent twice, everybody finishes.
import { it } from 'vitest';
import { expectSoundSeeds } from './seeds.ts';

it('survives the faults of seeds 1 to 500', () => expectSoundSeeds(1, 500));
