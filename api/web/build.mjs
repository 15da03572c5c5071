// Bundles src into built: the same bytes from the same source and lock file.
// With --check it writes nothing, and fails where `built` differs.

import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";

const SOURCE = "src";
const RESULT = "built";
const AS_THEY_ARE = ["index.html", "docs.html", "icon.svg", "figure.ttf"];

async function bundle() {
  const result = await build({
    entryPoints: ["app.tsx", "docs.ts", "app.css", "docs.css"].map((name) => join(SOURCE, name)),
    outdir: RESULT,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    legalComments: "none", // licences are in LICENSES.txt, whole
    metafile: true,
    write: false,
  });
  const files = new Map(result.outputFiles.map((file) => [file.path.split(/[\\/]/).pop(), file.contents]));
  for (const name of AS_THEY_ARE) files.set(name, await readFile(join(SOURCE, name)));
  files.set("LICENSES.txt", Buffer.from(await licences(Object.keys(result.metafile.inputs))));
  return files;
}

// The licence of each package of which a byte is shipped.
async function licences(inputs) {
  const names = new Set(inputs.map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]).filter(Boolean));
  const parts = [];
  for (const name of [...names].sort()) {
    const folder = join("node_modules", name);
    const { version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    const file = (await readdir(folder)).sort().find((each) => /^licen[cs]e/i.test(each));
    if (!file) throw new Error(`${name} ships no licence text; do not ship ${name}`);
    parts.push(`${name} ${version} (${license})\n\n${(await readFile(join(folder, file), "utf8")).trim()}\n`);
  }
  // Letters of figures: a part of DejaVu Sans.
  parts.push(`DejaVu Sans 2.37 (Bitstream-Vera)\n\n${(await readFile(join(SOURCE, "figure.licence.txt"), "utf8")).trim()}\n`);
  return parts.join(`\n${"-".repeat(72)}\n\n`);
}

async function compare(files) {
  const present = new Set(await readdir(RESULT).catch(() => []));
  const wrong = [...present].filter((name) => !files.has(name)).map((name) => `${name} is not of this source`);
  for (const [name, contents] of files) {
    if (!present.has(name)) wrong.push(`${name} is missing`);
    else if (!Buffer.from(contents).equals(await readFile(join(RESULT, name)))) wrong.push(`${name} differs`);
  }
  if (wrong.length === 0) return;
  process.stderr.write(`api/web/built is not what api/web/src gives; run \`make web\` and commit it:\n  ${wrong.join("\n  ")}\n`);
  process.exitCode = 1;
}

const files = await bundle();
if (process.argv.includes("--check")) {
  await compare(files);
} else {
  await mkdir(RESULT, { recursive: true });
  for (const [name, contents] of files) await writeFile(join(RESULT, name), contents);
}
