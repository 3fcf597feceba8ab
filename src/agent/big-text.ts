// Letters and digits as large as a hand, made of full blocks, for what must be read from across the room.

/** Five by five dots each; a dot is drawn two columns wide, since a character cell is twice as high as wide. */
const GLYPHS: Readonly<Record<string, readonly string[]>> = {
  '0': ['.###.', '#...#', '#...#', '#...#', '.###.'],
  '1': ['..#..', '.##..', '..#..', '..#..', '.###.'],
  '2': ['####.', '....#', '.###.', '#....', '#####'],
  '3': ['####.', '....#', '.###.', '....#', '####.'],
  '4': ['#..#.', '#..#.', '#####', '...#.', '...#.'],
  '5': ['#####', '#....', '####.', '....#', '####.'],
  '6': ['.###.', '#....', '####.', '#...#', '.###.'],
  '7': ['#####', '....#', '...#.', '..#..', '..#..'],
  '8': ['.###.', '#...#', '.###.', '#...#', '.###.'],
  '9': ['.###.', '#...#', '.####', '....#', '.###.'],
  '%': ['##..#', '##.#.', '..#..', '.#.##', '#..##'],
  A: ['.###.', '#...#', '#####', '#...#', '#...#'],
  D: ['####.', '#...#', '#...#', '#...#', '####.'],
  E: ['#####', '#....', '####.', '#....', '#####'],
  F: ['#####', '#....', '####.', '#....', '#....'],
  I: ['.###.', '..#..', '..#..', '..#..', '.###.'],
  L: ['#....', '#....', '#....', '#....', '#####'],
  N: ['#...#', '##..#', '#.#.#', '#..##', '#...#'],
  O: ['.###.', '#...#', '#...#', '#...#', '.###.'],
  R: ['####.', '#...#', '####.', '#..#.', '#...#'],
  S: ['.####', '#....', '.###.', '....#', '####.'],
  T: ['#####', '..#..', '..#..', '..#..', '..#..'],
  W: ['#...#', '#...#', '#.#.#', '##.##', '#...#'],
};

/** Lines of `5 × scale` rows; characters without a glyph become a gap. */
export function bigText(text: string, scale = 1): readonly string[] {
  const glyphs = Array.from(
    text,
    (character) => GLYPHS[character] ?? Array.from({ length: 5 }, () => '.....'),
  );
  const lines = Array.from({ length: 5 }, (_, row) =>
    glyphs
      .map((glyph) =>
        Array.from(glyph[row] ?? '', (dot) => (dot === '#' ? '█' : ' ').repeat(2 * scale)).join(''),
      )
      .join('  '.repeat(scale)),
  );
  return lines.flatMap((line) => Array.from({ length: scale }, () => line));
}
