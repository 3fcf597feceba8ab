// Five hundred of the thousand small sites with random faults: nothing wrong kept, nothing sent twice, everybody finishes.
import { it } from 'vitest';
import { expectSoundSeeds } from './seeds.ts';

it('survives the faults of seeds 501 to 1000', () => expectSoundSeeds(501, 1000));
