// The font of figures: its glyphs and widths (OpenType 1.9: head, hhea, hmtx, cmap), and its bytes for a file.

const ADDRESS = "web/figure.ttf";

export interface Font {
  base64: string;
  hex: string; // deflated
  length: number; // of the font [byte]
  deflated: number;
  ascent: number; // all lengths in 1/1000 em
  descent: number;
  box: readonly number[];
  glyph: (character: string) => number; // 0: it has none
  width: (glyph: number) => number;
  nGlyphs: number;
}

let loaded: Promise<Font> | null = null;

/** Loaded when the first figure is saved. */
export function loadFont(): Promise<Font> {
  loaded ??= load().catch((error: unknown) => {
    loaded = null; // tried again for the next figure
    throw error;
  });
  return loaded;
}

async function load(): Promise<Font> {
  const answer = await fetch(ADDRESS, { signal: AbortSignal.timeout(8000) });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  const bytes = await answer.arrayBuffer();
  const packed = await new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"))).arrayBuffer();
  return readFont(new DataView(bytes), new Uint8Array(bytes), new Uint8Array(packed));
}

function readFont(data: DataView, bytes: Uint8Array, packed: Uint8Array): Font {
  const tables = new Map<string, number>();
  for (let at = 12; at < 12 + 16 * data.getUint16(4); at += 16) tables.set(String.fromCharCode(...bytes.subarray(at, at + 4)), data.getUint32(at + 8));
  const table = (name: string): number => tables.get(name) ?? 0;
  const perEm = data.getUint16(table("head") + 18);
  const inEm = (value: number): number => Math.round((1000 * value) / perEm);
  const nWidths = data.getUint16(table("hhea") + 34);
  return {
    base64: btoa(Array.from(bytes, (each) => String.fromCharCode(each)).join("")),
    hex: Array.from(packed, (each) => each.toString(16).padStart(2, "0")).join(""),
    length: bytes.length, deflated: packed.length,
    ascent: inEm(data.getInt16(table("hhea") + 4)), descent: inEm(data.getInt16(table("hhea") + 6)),
    box: [36, 38, 40, 42].map((at) => inEm(data.getInt16(table("head") + at))),
    glyph: glyphsOf(data, table("cmap")),
    width: (glyph) => inEm(data.getUint16(table("hmtx") + 4 * Math.min(glyph, nWidths - 1))),
    nGlyphs: data.getUint16(table("maxp") + 4),
  };
}

/** The one subtable of the font, of format 4: segments of the Basic Multilingual Plane. */
function glyphsOf(data: DataView, cmap: number): (character: string) => number {
  const at = cmap + data.getUint32(cmap + 8);
  const size = data.getUint16(at + 6); // twice the number of segments
  const [ends, starts, deltas, offsets] = [at + 14, at + 16 + size, at + 16 + 2 * size, at + 16 + 3 * size];
  return (character) => {
    const code = character.charCodeAt(0);
    let segment = 0;
    while (segment < size && data.getUint16(ends + segment) < code) segment += 2;
    const start = data.getUint16(starts + segment);
    if (segment >= size || start > code) return 0;
    const offset = data.getUint16(offsets + segment);
    if (!offset) return (code + data.getUint16(deltas + segment)) & 0xffff;
    const glyph = data.getUint16(offsets + segment + offset + 2 * (code - start));
    return glyph && (glyph + data.getUint16(deltas + segment)) & 0xffff;
  };
}
