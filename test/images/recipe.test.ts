// What follows from an image's name and version: identifiers that stay the same, so that versions share slices.
import { expect, it } from 'vitest';
import { imageRecipe } from '../../images/recipe.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/;

it('gives every part of the disk an identifier of its own, the same each time', () => {
  const { ids } = imageRecipe({});
  const { espFileSystem, ...uuids } = ids;
  expect(new Set(Object.values(ids)).size).toBe(Object.keys(ids).length);
  for (const [what, id] of Object.entries(uuids)) expect(id, what).toMatch(UUID);
  expect(espFileSystem).toMatch(/^[0-9a-f]{8}$/);
  expect(imageRecipe({}).ids).toEqual(ids);
});

it('keeps the identifiers from version to version, but not from name to name', () => {
  expect(imageRecipe({ version: '2', packages: ['less'] }).ids).toEqual(imageRecipe({ version: '1' }).ids);
  expect(imageRecipe({ name: 'till' }).ids).not.toEqual(imageRecipe({ name: 'kiosk' }).ids);
});

it('does not mind the order of packages', () => {
  expect(imageRecipe({ packages: ['nano', 'less'] })).toEqual(imageRecipe({ packages: ['less', 'nano'] }));
});

it('gives the image for arm64 a name and identifiers of its own', () => {
  const arm = imageRecipe({ architecture: 'arm64' });
  expect(arm.name).toBe('busybox-arm64');
  expect(arm.ids).not.toEqual(imageRecipe({}).ids);
});
