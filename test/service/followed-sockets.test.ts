// Sockets that follow addresses: opened and closed once each, also while calls overlap, and tried again after a refusal.
import { expect, it } from 'vitest';
import { FollowedSockets } from '../../src/service/followed-sockets.ts';

function world() {
  const open = new Set<string>();
  const told: string[] = [];
  const refused = new Set<string>();
  const wanting = (...places: string[]) =>
    new Map(
      places.map((place) => [
        place,
        async () => {
          if (refused.has(place)) throw new Error(`${place} is refused`);
          expect(open.has(place)).toBe(false);
          open.add(place);
          told.push(`open ${place}`);
          return {
            place,
            close: async () => {
              open.delete(place);
              told.push(`close ${place}`);
            },
          };
        },
      ]),
    );
  return {
    open,
    told,
    refused,
    wanting,
    sockets: new FollowedSockets<{ place: string; close(): Promise<void> }>(),
  };
}

it('opens what came and closes what left, one call after the other', async () => {
  const { sockets, told, wanting } = world();
  await Promise.all([sockets.follow(wanting('a', 'b')), sockets.follow(wanting('b', 'c')), sockets.close()]);
  expect(told).toEqual(['open a', 'open b', 'close a', 'open c', 'close b', 'close c']);
});

it('opens the others when one is refused, says so, and tries it again', async () => {
  const { sockets, open, refused, wanting } = world();
  refused.add('a');
  await expect(sockets.follow(wanting('a', 'b'))).rejects.toThrow('a is refused');
  expect([...open]).toEqual(['b']);
  expect(sockets.get('a')).toBeUndefined();
  refused.clear();
  await sockets.follow(wanting('a', 'b'));
  expect(sockets.all().map(({ place }) => place)).toEqual(['b', 'a']);
});
