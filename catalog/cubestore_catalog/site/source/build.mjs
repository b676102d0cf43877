// Source -> ../built: one bundle, two kinds of workers, the basemap, and the licences of what is bundled.

import { build } from "esbuild";
import { cp, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";

const built = process.argv[2] ?? "../built";

/** Codecs in WebAssembly that the store does not use, or the page decodes itself. */
const external = ["numcodecs/*"];

const common = {
  bundle: true,
  external,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "none",
  logLevel: "warning",
};

/** The packages that the lock file lists for the page itself, with the text of each one's licence. */
async function licences() {
  const { packages } = JSON.parse(await readFile("package-lock.json", "utf8"));
  const ours = Object.entries(packages).filter(([path, one]) => path && !one.dev);
  const texts = ours.map(async ([path, { version, license }]) => {
    const file = (await readdir(path)).find((name) => /^licen[cs]e/i.test(name));
    const text = file ? await readFile(`${path}/${file}`, "utf8") : "";
    return `${path.replace("node_modules/", "")} ${version} (${license})\n\n${text.trim()}\n`;
  });
  return (await Promise.all(texts)).join(`\n${"-".repeat(72)}\n\n`);
}

await rm(built, { recursive: true, force: true });
await mkdir(built, { recursive: true });
// What page and workers share becomes a file of its own; the sums of it can be imported under their names.
const scripts = ["main", "pixels.worker", "projection", "blosc"].map((name) => `src/${name}.ts`);
const chunkNames = "parts/[name]-[hash]";
await build({ ...common, entryPoints: scripts, outdir: built, splitting: true, chunkNames });
await build({ ...common, entryPoints: ["src/page.css"], outfile: `${built}/page.css` });
await cp("src/index.html", `${built}/index.html`);
await cp("node_modules/maplibre-gl/dist/maplibre-gl-worker.mjs", `${built}/map.worker.mjs`);
await cp("node_modules/world-atlas/countries-50m.json", `${built}/countries.json`);
await writeFile(`${built}/licences.txt`, await licences());
